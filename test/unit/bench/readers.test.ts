/** The small readers of the harness: /proc, HTTP answers, message texts, CPU profiles. */
import { spawn } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { insideBetween } from '../../../bench/hop-meter.ts';
import { parseAnswer } from '../../../bench/http-client.ts';
import { listeningPorts, parseListening } from '../../../bench/listening-ports.ts';
import { makeText, parseText } from '../../../bench/message-text.ts';
import { cpuSecondsOf, parseResident, parseStat, processTree } from '../../../bench/process-stat.ts';
import { summariseProfile } from '../../../bench/profile-report.ts';

describe('parseStat', () => {
  it('reads parent and CPU time also behind a name with spaces and brackets', () => {
    const stat = '42 (a (b) c) S 7 42 42 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 100 1 1';
    expect(parseStat(stat)).toEqual({ parent: 7, cpuSeconds: 2, reapedSeconds: 0 });
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

describe('latency by hop', () => {
  const bucket = (hop: string, le: string, count: number, node = 'worker-1') =>
    `belfry_hop_duration_seconds_bucket{le="${le}",hop="${hop}",role="worker",node="${node}"} ${count}`;

  it('is what was counted in between, over all processes, on a straight line within a bucket', () => {
    const before = [bucket('append', '0.001', 5), bucket('append', '0.01', 7), bucket('append', '+Inf', 7)];
    const after = [bucket('append', '0.001', 45), bucket('append', '0.01', 77), bucket('append', '+Inf', 77)];
    const other = [
      bucket('append', '0.001', 30, 'b'),
      bucket('append', '0.01', 30, 'b'),
      bucket('append', '+Inf', 30, 'b'),
    ];
    const [append] = insideBetween(before.join('\n'), [...after, ...other].join('\n')).hops;
    // 70 up to 1 ms, 30 more up to 10 ms.
    expect(append).toMatchObject({ hop: 'append', count: 100 });
    expect(append?.p50Ms).toBeCloseTo(50 / 70);
    expect(append?.p99Ms).toBeCloseTo(1 + (9 * 29) / 30);
  });

  it('leaves out hops that nothing passed through, and ends at the last bound', () => {
    const after = [bucket('socket', '0.5', 0), bucket('socket', '+Inf', 3), bucket('route', '+Inf', 0)];
    expect(insideBetween('', after.join('\n')).hops).toEqual([{ hop: 'socket', count: 3, p50Ms: 500, p99Ms: 500 }]);
  });
});

describe('listening ports', () => {
  it('are those of the sockets that the process holds', () => {
    const row = (port: string, state: string, inode: string) =>
      `   0: 0100007F:${port} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0 0 10 0`;
    const table = ['head', row('1F90', '0A', '11'), row('1F91', '0A', '12'), row('1F92', '01', '11')].join('\n');
    expect(parseListening(table, new Set(['11']))).toEqual([8_080]);
  });

  it.runIf(process.platform === 'linux')('are read of a process that runs, and none of one that does not', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      expect(listeningPorts(process.pid)).toContain((server.address() as AddressInfo).port);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    expect(listeningPorts(2 ** 22 + 1)).toEqual([]);
  });
});
