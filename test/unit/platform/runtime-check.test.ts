/** Which machines are refused, by the program and by scripts/setup.sh alike, and in which words. */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../../platform/config.ts';
import { checkRuntime, type Runtime } from '../../../platform/runtime-check.ts';
import { loadFailure } from '../../../transport/uws.ts';

const good: Runtime = { node: '20.19.0', platform: 'linux-x64', glibc: '2.36' };

const accepted: readonly Partial<Runtime>[] = [
  {},
  { node: '21.7.3' },
  { node: '22.0.0' },
  { platform: 'linux-arm64', glibc: '2.27' },
  { glibc: '3.0' },
  { platform: 'darwin-arm64', glibc: undefined },
  { platform: 'darwin-x64', glibc: undefined },
];

const refused: readonly (readonly [Partial<Runtime>, string])[] = [
  [{ node: '18.20.4' }, 'Node.js 18.20.4 will not do: uWebSockets.js has binaries for Node.js 20 to 22'],
  [{ node: '19.9.0' }, 'Node.js 19.9.0 will not do: uWebSockets.js has binaries for Node.js 20 to 22'],
  [{ node: '23.0.0' }, 'Node.js 23.0.0 will not do: uWebSockets.js has binaries for Node.js 20 to 22'],
  [{ node: '200.0.0' }, 'Node.js 200.0.0 will not do: uWebSockets.js has binaries for Node.js 20 to 22'],
  [
    { platform: 'win32-x64', glibc: undefined },
    'win32-x64 will not do: uWebSockets.js is used on Linux and macOS, on x64 and arm64',
  ],
  [{ platform: 'linux-ppc64' }, 'linux-ppc64 will not do: uWebSockets.js is used on Linux and macOS, on x64 and arm64'],
  [
    { glibc: undefined },
    'this libc will not do: uWebSockets.js has binaries for glibc only (not for musl, as in Alpine)',
  ],
  [{ glibc: '2.26' }, 'glibc 2.26 is too old: uWebSockets.js needs 2.27 or newer'],
  [{ glibc: '1.99' }, 'glibc 1.99 is too old: uWebSockets.js needs 2.27 or newer'],
];

describe('the program', () => {
  it('takes the machine that it is tested on', () => {
    expect(() => checkRuntime()).not.toThrow();
  });

  it.each(accepted)('takes %j', (part) => {
    expect(() => checkRuntime({ ...good, ...part })).not.toThrow();
  });

  it.each(refused)('refuses %j in one line', (part, line) => {
    expect(() => checkRuntime({ ...good, ...part })).toThrow(new UsageError(line));
  });

  it('names the machine when the native module does not load, and what is wrong with it where that is known', () => {
    const cause = new Error('cannot open shared object file');
    expect(loadFailure(cause, good)).toMatchObject({
      message: 'uWebSockets.js does not load in Node.js 20.19.0 on linux-x64',
      cause,
    });
    for (const [part, line] of refused) expect(loadFailure(cause, { ...good, ...part }).message).toBe(line);
  });
});

/** A copy of the script beside a `node` that says what it is told to, and an `npm` that fails. */
describe('scripts/setup.sh', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'belfry-setup-'));
    mkdirSync(join(folder, 'scripts'));
    mkdirSync(join(folder, 'bin'));
    cpSync('scripts/setup.sh', join(folder, 'scripts/setup.sh'));
    writeFileSync(join(folder, 'package-lock.json'), '{}');
    script('node', 'echo "$SAID_BY_NODE"');
    script('npm', 'exit 1');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function script(name: string, body: string): void {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(folder, 'bin', name), 0o755);
  }

  function setUp(part: Partial<Runtime>): { readonly status: number | null; readonly stderr: string } {
    const { node, platform, glibc = platform.startsWith('linux') ? 'none' : '-' } = { ...good, ...part };
    const env = { PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, SAID_BY_NODE: `${node} ${platform} ${glibc}` };
    return spawnSync('bash', [join(folder, 'scripts/setup.sh')], { env, encoding: 'utf8' });
  }

  it.each(refused)('refuses %j in the same line', (part, line) => {
    expect(setUp(part)).toMatchObject({ status: 2, stderr: `setup: ${line}\n` });
  });

  it.each(accepted)('goes on to the dependencies with %j', (part) => {
    expect(setUp(part)).toMatchObject({ status: 2, stderr: expect.stringContaining('the dependencies could not') });
  });
});
