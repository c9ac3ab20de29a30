/** `belfry bench` as a user runs it, small: one run on servers of its own, kept as JSON and as a page, then compared. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runBelfry, type CliResult } from '../support/belfry-cli.ts';

let folder: string;
let json: string;
let html: string;
let run: CliResult;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belfry-bench-test-'));
  json = join(folder, 'result.json');
  html = join(folder, 'result.html');
  // A plain line comes once a second at most: three seconds hold one for certain.
  const small = ['--seconds', '3', '--runs', '1', '--connections', '8', '--channels', '16', '--users', '2'];
  const kept = ['--json', json, '--html', html, '--progress', 'plain', '--source-addresses', '3'];
  run = await runBelfry(['bench', 'posts', ...small, ...kept]);
}, 60_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('belfry bench posts', () => {
  it('measures, checks and prints one table; progress goes to stderr', () => {
    expect(run.stderr).toMatch(/^belfry {2}\d\.\d of 3 s {2}[\d,]+ posts/m);
    expect(run.stdout).toMatch(/^posts: one run of 3 s; /);
    expect(run.stdout).toMatch(/^belfry +posts acknowledged +[\d,.]+ +\/s$/m);
    expect(run.stdout).not.toContain('FAILED');
    expect(run.stdout).toMatch(/^belfry +latency p99 .*<= 50: (met|missed)$/m);
    expect(run.stdout).toMatch(/^belfry +waits in our queues, sum of p99s +[\d,.]+ +ms$/m);
    expect(run.stdout).toMatch(/^note: windows in force: .*before a channel's append$/m);
    expect(run.stdout).toMatch(/^note: a closed loop: /m);
    expect(run.code).toBe(0);
  });

  it('posts once to each channel of workers that know none, and its run ends with them', async () => {
    const small = ['--cold', '--workers', '1', '--channels', '24', '--connections', '4', '--users', '2'];
    const { code, stdout } = await runBelfry([
      'bench',
      'posts',
      ...small,
      '--seconds',
      '60',
      '--runs',
      '1',
      '--json',
      '-',
    ]);
    const { failures, runs } = JSON.parse(stdout) as {
      failures: string[];
      runs: { measurements: { name: string; value: number }[]; stretches: { seconds: number }[] }[];
    };
    expect([code, failures]).toEqual([0, []]);
    const [run] = runs;
    const rate = run?.measurements.find(({ name }) => name === 'posts acknowledged')?.value ?? 0;
    expect(Math.round(rate * (run?.stretches[0]?.seconds ?? 0))).toBe(24);
  }, 60_000);

  it('keeps everything as JSON: figures, latencies, rates, processes by role, hops, queues, the load itself; and no token', async () => {
    const text = await readFile(json, 'utf8');
    expect(text).not.toMatch(/xox|xadm/);
    const result = JSON.parse(text) as Record<string, unknown>;
    expect(result).toMatchObject({ format: 1, scenario: 'posts', failed: false, failures: [] });
    expect(result).toMatchObject({ options: { seconds: 3, runs: 1, connections: 8, loadProcs: 1 } });
    const [stretch] = (result['runs'] as { stretches: Record<string, unknown>[] }[]).flatMap((one) => one.stretches);
    const {
      processes,
      hops: traced,
      queues: waits,
    } = stretch as {
      processes: { role: string }[];
      hops: { hop: string }[];
      queues: { role: string; queue: string; count: number }[];
    };
    const roles = processes.map(({ role }) => role);
    expect(roles).toEqual(expect.arrayContaining(['nats', 'webapp', 'worker', 'gateway', 'supervisor']));
    const hops = traced.map(({ hop }) => hop);
    expect(hops).toEqual(expect.arrayContaining(['ingress', 'route', 'append']));
    const queues = waits.map(({ role, queue }) => `${role} ${queue}`);
    const passed = [
      'webapp send',
      'worker mailbox',
      'worker commit',
      'worker append',
      'worker send_log',
      'worker send',
    ];
    expect(queues).toEqual(expect.arrayContaining(passed));
    // Nobody listens: a post that is acknowledged has nothing to deliver.
    expect(queues).not.toContain('gateway rest');
    expect(stretch?.['latencies']).toHaveLength(1);
    expect(stretch?.['clients']).toEqual([{ cores: expect.any(Number), lagP99Ms: expect.any(Number) }]);
  });

  it('writes a page that shows it', async () => {
    const page = await readFile(html, 'utf8');
    expect(page).toContain('<h1>belfry bench posts</h1>');
    expect(page).toContain('Latency: sent to acknowledged');
    expect(page).not.toMatch(/xox[bp]-|xadm-/);
  });

  it('is compared with itself by ratios of one', async () => {
    const compared = await runBelfry(['bench', '--compare', json, json]);
    expect(compared.stdout).toMatch(/^belfry +posts acknowledged .* 1 +equal$/m);
    expect(compared.code).toBe(0);
  });
});

describe('wrong input of belfry bench', () => {
  it.concurrent.each<[string, string[], RegExp]>([
    ['an unknown scenario', ['nope'], /unknown scenario 'nope'/],
    ['no scenario', [], /a scenario is missing/],
    [
      'a file that is no result',
      ['--compare', '/dev/null', '/dev/null'],
      /\/dev\/null is no result of belfry bench --json/,
    ],
    ['one file to compare', ['--compare', '/dev/null'], /--compare takes two files/],
    ['a target without its token', ['posts', '--target', 'http://127.0.0.1:1'], /--target needs --token/],
    ['a target for what kills servers', ['failover', '--target', 'x'], /failover only measures servers of its own/],
    [
      'a storm that cannot be checked',
      ['resume', '--missed', '75'],
      /--missed 75 must be a multiple of --per-session 50/,
    ],
    [
      'sessions of more channels than there are',
      ['resume', '--channels', '20'],
      /--per-session 50 must be at most --channels 20/,
    ],
    ['a target for one worker', ['channels', '--target', 'x'], /channels only measures servers of its own/],
    ['a target for one gateway', ['connections', '--target', 'x'], /connections only measures servers of its own/],
  ])('%s is one line and exit 2', async (_, args, line) => {
    const result = await runBelfry(['bench', ...args]);
    expect(result.stderr).toMatch(line);
    expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(result.code).toBe(2);
  });
});
