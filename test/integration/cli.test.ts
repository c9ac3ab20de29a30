/** The command line without a cluster: help, versions, and one clear line with exit 2 for what cannot work. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../../platform/free-port.ts';
import { runBelfry, type CliResult } from '../support/belfry-cli.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belfry-cli-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

function expectOneLine(result: CliResult, line: RegExp, code = 2): void {
  expect(result.stdout).toBe('');
  expect(result.stderr).toMatch(line);
  expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(result.code).toBe(code);
}

async function script(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

describe('help', () => {
  it.each(['dev', 'init', 'webapp', 'worker', 'gateway', 'status', 'drain', 'post', 'tail', 'bench'])(
    'of %s shows its use and an example',
    async (command) => {
      const help = await runBelfry([command, '--help']);
      expect(help.code).toBe(0);
      expect(help.stdout).toContain('Usage: belfry');
      expect(help.stdout).toMatch(new RegExp(`Example:\\n {2}.*\\bbelfry ${command}\\b`));
      if (command === 'webapp') expect(help.stdout).toMatch(/--rate-limits <set>[\s\S]*BELFRY_NATS_PASSWORD/);
    },
  );

  it('lists every command, and the version is the package’s', async () => {
    const [help, version] = await Promise.all([runBelfry(['--help']), runBelfry(['--version'])]);
    for (const command of ['dev', 'init', 'worker', 'tail', 'bench']) expect(help.stdout).toContain(`  ${command} `);
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('wrong input', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown command', ['nope'], /unknown command 'nope'/],
    ['no command', [], /a command is missing/],
    ['an unknown flag', ['dev', '--wrokers', '3'], /unknown option '--wrokers'/],
    ['a flag that is no number', ['dev', '--workers', 'many'], /--workers "many": must be a whole number/],
    ['a number out of range', ['dev', '--workers', '0'], /--workers "0"/],
    ['two nats nodes', ['dev', '--nats-nodes', '2'], /must be 1 or 3/],
    ['a port beyond the last', ['dev', '--port', '65535', '--nats-server', '/nope'], /--nats-server|--port/],
    ['a broker without a scheme', ['worker', '--nats', 'localhost:4222'], /must be nats:\/\/host:port/],
    ['a node name that is none', ['worker', '--id', 'a b'], /--id "a b"/],
    ['no text to post', ['post', 'general'], /missing required argument 'text'/],
    ['an empty text', ['post', 'general', ''], /text is empty/],
    ['nowhere to post to', ['post', 'general', 'hello', '--data', '/nonexistent'], /no belfry dev is ready/],
    ['nothing to tail', ['tail', 'general', '--data', '/nonexistent'], /no belfry dev is ready/],
    ['half a target', ['status', '--url', 'http://127.0.0.1:1'], /--url needs --token/],
    ['no password', ['worker'], /BELFRY_NATS_PASSWORD is missing/],
  ])('%s is one line and exit 2', async (_, args, line) => {
    expectOneLine(await runBelfry(args), line);
  });

  it('in a variable is named by the variable', async () => {
    expectOneLine(await runBelfry(['dev'], { BELFRY_WORKERS: 'x' }), /BELFRY_WORKERS "x": must be a whole number/);
  });
});

describe('a broker that cannot serve', () => {
  const access = { BELFRY_NATS_PASSWORD: 'wrong' };

  it('is one line and exit 2 for a role when nobody listens', async () => {
    const result = await runBelfry(['worker', '--nats', 'nats://127.0.0.1:1'], access);
    expectOneLine(result, /no nats-server at nats:\/\/127\.0\.0\.1:1/);
  });

  it('is one line and exit 2 for dev when its program is absent', async () => {
    const result = await runBelfry(['dev', '--nats-server', join(folder, 'absent'), '--data', join(folder, 'd')]);
    expectOneLine(result, /--nats-server .*absent is not a nats-server/);
  });

  it('is one line and exit 2 for dev when its program is older', async () => {
    const old = await script('old-nats', 'echo "nats-server: v2.9.10"');
    const result = await runBelfry(['dev', '--nats-server', old, '--data', join(folder, 'd')]);
    expectOneLine(result, /nats-server 2\.10\.27 or newer is needed; .*old-nats is 2\.9\.10/);
  });

  it('is one line and exit 2 for dev when its program dies at once', async () => {
    const broken = await script(
      'broken-nats',
      'case "$1" in --version) echo "nats-server: v2.11.0";; *) exit 3;; esac',
    );
    const result = await runBelfry(['dev', '--port', '0', '--nats-server', broken, '--data', join(folder, 'd')]);
    expectOneLine(result, /nats-1 did not start: exit code 3/);
  });
});

describe('an API that is not there', () => {
  it('is one line and exit 1', async () => {
    const [port] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const result = await runBelfry(['post', 'general', 'x', '--url', url, '--token', 'xoxp-none']);
    expectOneLine(result, /chat\.postMessage at http:.*\/api\/: nobody listens there/, 1);
  });
});
