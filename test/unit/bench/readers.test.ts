/** The small readers of the harness: /proc, HTTP answers, message texts, CPU profiles. */
import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parseAnswer } from '../../../bench/http-client.ts';
import { makeText, parseText } from '../../../bench/message-text.ts';
import { cpuSecondsOf, parseResident, parseStat, processTree } from '../../../bench/process-stat.ts';
import { summariseProfile } from '../../../bench/profile-report.ts';

describe('parseStat', () => {
  it('reads parent and CPU time also behind a name with spaces and brackets', () => {
    const stat = '42 (a (b) c) S 7 42 42 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 100 1 1';
    expect(parseStat(stat)).toEqual({ parent: 7, cpuSeconds: 2 });
  });
});

describe('parseResident', () => {
  it('reads the memory that is in RAM, in bytes', () => {
    expect(parseResident('Name:\tnode\nVmPeak:\t  900 kB\nVmRSS:\t    64 kB\nThreads:\t7\n')).toBe(65_536);
    expect(parseResident('Name:\tnode\nState:\tZ (zombie)\n')).toBeUndefined();
  });
});

describe.runIf(process.platform === 'linux')('the process tree', () => {
  it('has a child in it, and not its parent', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
    try {
      expect(processTree(process.pid)).toContain(child.pid);
      expect(processTree(child.pid ?? 0)).toEqual([child.pid]);
    } finally {
      child.stdin.end();
      await new Promise((resolve) => child.once('exit', resolve));
    }
    expect(cpuSecondsOf(child.pid ?? 0)).toBeUndefined();
    expect(cpuSecondsOf(process.pid)).toBeGreaterThan(0);
  });
});

describe('parseAnswer', () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n';

  it.each([
    ['half a head', head.slice(0, 20)],
    ['no body yet', head],
    ['half a body', `${head}hel`],
  ])('waits for more at %s', (_, text) => {
    expect(parseAnswer(text)).toBe('more');
  });

  it('gives status and body when all is there', () => {
    expect(parseAnswer(`${head}hello`)).toEqual({ status: 200, body: 'hello' });
  });

  it('refuses what it cannot read', () => {
    expect(parseAnswer('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')).toBeInstanceOf(Error);
    expect(parseAnswer(`${head}hello and more`)).toBeInstanceOf(Error);
  });
});

describe('the text of a load message', () => {
  it('has the wanted size and says what it is', () => {
    const text = makeText(42, 1_234_567_890, 200);
    expect(Buffer.byteLength(text)).toBe(200);
    expect(parseText(text)).toEqual({ id: 42, dueUs: 1_234_567_890 });
    expect(parseText('hello')).toBeUndefined();
  });
});

describe('summariseProfile', () => {
  it('gives each function its own time, as a share of what was not idle', () => {
    const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 9 });
    const nodes = [
      { id: 0, callFrame: frame('(idle)') },
      { id: 1, callFrame: frame('decide', 'file:///x/actors/a.js') },
      { id: 2, callFrame: frame('(garbage collector)') },
      { id: 3, callFrame: frame('post', 'node:inspector'), children: [4] },
      { id: 4, callFrame: frame('dispatch') },
    ];
    // What the profiler itself took does not count.
    const profile = { nodes, samples: [0, 1, 1, 2, 4], timeDeltas: [6_000, 1_000, 2_000, 1_000, 9_000] };
    expect(summariseProfile(profile, 1)).toEqual({
      busyMs: 4,
      idleMs: 6,
      top: [{ place: 'decide a.js:10', ms: 3, share: 0.75 }],
    });
  });
});
