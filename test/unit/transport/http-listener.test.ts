/** The HTTP listener over real sockets on loopback: what it hands on, what it refuses, and that it survives both. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock, systemClock, type Clock } from '../../../platform/clock.ts';
import { limits as allLimits } from '../../../platform/limits.ts';
import { silentLogger } from '../../../platform/logger.ts';
import type { ApiHandler, ApiRequest } from '../../../protocol/http.ts';
import { startHttpListener, type HttpLimits, type HttpListener } from '../../../transport/http-listener.ts';
import { startAdminListener } from '../../../transport/admin-listener.ts';
import { until } from '../../support/until.ts';

const open: HttpListener[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((listener) => listener.stop(0)));
});

async function start(
  handler: ApiHandler,
  limits: Partial<HttpLimits> = {},
  clock: Clock = systemClock,
): Promise<string> {
  const options = { host: '127.0.0.1', port: 0, clock, logger: silentLogger };
  const listener = await startHttpListener({ ...options, handler, limits });
  open.push(listener);
  return `http://127.0.0.1:${listener.port}`;
}

const echo: ApiHandler = (request) =>
  Promise.resolve({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(shown(request)),
  });

function shown(request: ApiRequest) {
  return { ...request, body: request.body.toString(), remoteAddress: request.remoteAddress() };
}

/** Sends raw bytes and gives what came back until the server closed or `until` appeared. 'end': says that no more follows. */
function raw(base: string, bytes: string | Buffer, until?: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(base).port), '127.0.0.1', () => {
      if (until === 'end') socket.end(bytes);
      else socket.write(bytes);
    });
    let text = '';
    const done = () => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (until !== undefined && text.includes(until)) done();
    });
    socket.on('error', done);
    socket.on('close', done);
  });
}

/** A whole request with these headers besides its host. */
const head = (headers: string) => `GET / HTTP/1.1\r\nhost: x\r\n${headers}\r\n`;

describe('the HTTP listener', () => {
  it('hands on path, verb, query, headers and body of a request', async () => {
    const base = await start(echo);
    const response = await fetch(`${base}/api/chat.postMessage?a=1&b=%20`, {
      method: 'POST',
      headers: { authorization: 'Bearer x', 'content-type': 'text/plain', 'user-agent': 'me' },
      body: 'hellö',
    });
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.json()).toEqual({
      path: '/api/chat.postMessage',
      verb: 'POST',
      query: 'a=1&b=%20',
      headers: { authorization: 'Bearer x', contentType: 'text/plain' },
      body: 'hellö',
      remoteAddress: '127.0.0.1',
    });
  });

  it('serves requests without a body, whatever their verb', async () => {
    const base = await start(echo);
    for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
      const response = await fetch(`${base}/x`, { method });
      expect(await response.json()).toMatchObject({ verb: method, body: '', query: '' });
    }
  });

  it('answers HEAD with the length and no body', async () => {
    const base = await start(async () => ({ status: 200, headers: {}, body: 'twelve bytes' }));
    const answer = await raw(base, 'HEAD / HTTP/1.1\r\nhost: x\r\n\r\n', '\r\n\r\n');
    expect(answer.toLowerCase()).toContain('content-length: 12\r\n');
    expect(answer.endsWith('\r\n\r\n')).toBe(true);
  });

  it('joins a body that comes in many pieces', async () => {
    const base = await start(async (request) => ({ status: 200, headers: {}, body: request.body }));
    const body = Buffer.alloc(900_000, 'abcdefg');
    const response = await fetch(base, { method: 'POST', body });
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  });

  it('answers a body over the limit with invalid_arguments and HTTP 200, and does not call the handler', async () => {
    let calls = 0;
    const base = await start(async (request) => {
      calls += 1;
      return echo(request);
    });
    const response = await fetch(base, { method: 'POST', body: Buffer.alloc(3 * 1024 * 1024) });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ ok: false, error: 'invalid_arguments' });
    expect(calls).toBe(0);
  });

  it('stops reading a body that never ends', async () => {
    const base = await start(echo, { bodyBytesMax: 1000, bodyDiscardBytesMax: 10_000 });
    const answer = await raw(
      base,
      `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n${'x'.repeat(50_000)}`,
    );
    expect(answer).toContain('invalid_arguments');
  });

  it('closes on a body that comes too slowly', async () => {
    const base = await start(echo, { bodyTimeoutMs: 50 });
    expect(await raw(base, 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nsome')).toBe('');
  });

  it.each<[string, number, string | Buffer]>([
    ['a header block over the limit', 431, head(`x: ${'z'.repeat(allLimits.httpHeaderBytesMax)}\r\n`)],
    ['many headers over the limit', 431, head(`x-y: ${'z'.repeat(900)}\r\n`.repeat(20))],
    ['99 headers', 431, head('a: b\r\n'.repeat(98))],
    ['500 headers', 431, head('a: b\r\n'.repeat(500))],
    ['another version', 505, 'GET / HTTP/1.0\r\nhost: x\r\n\r\n'],
    ['words', 505, 'this is not a request, and it does not want to be one\r\n\r\n'],
    ['zeros', 505, Buffer.alloc(100)],
    ['bytes that are no text', 505, Buffer.from([0, 255, 1, 2, 10, 13, 10, 13, 10])],
    ['a length that is no number', 400, 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: abc\r\n\r\n'],
    ['two lengths', 400, 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n12345'],
  ])('answers %s with %i, closes, calls no handler, and goes on', async (_, status, bytes) => {
    let calls = 0;
    const base = await start((request) => {
      calls += 1;
      return echo(request);
    });
    const answer = await raw(base, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(calls).toBe(0);
    expect((await fetch(base)).status).toBe(200);
  });

  it('takes 98 headers', async () => {
    const base = await start(echo);
    expect(await raw(base, head('a: b\r\n'.repeat(97)), '\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('takes a header block of 8 KiB, which browsers may send', async () => {
    const base = await start(echo);
    expect((await fetch(base, { headers: { cookie: 'c'.repeat(8_000) } })).status).toBe(200);
  });

  it('survives clients that give up before the answer', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let entered = (): void => undefined;
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const base = await start(async (request) => {
      if (request.path === '/held') {
        entered();
        await held;
      }
      return echo(request);
    });
    const abort = new AbortController();
    const request = fetch(`${base}/held`, { signal: abort.signal }).catch(() => 'aborted');
    await inside;
    abort.abort();
    expect(await request).toBe('aborted');
    expect((await fetch(`${base}/other`)).status).toBe(200);
    release();
    expect((await fetch(`${base}/other`)).status).toBe(200);
  });

  it('survives pipelined requests', async () => {
    const base = await start(echo);
    const one = 'GET /p HTTP/1.1\r\nhost: x\r\n\r\n';
    await raw(base, one.repeat(50), '/p');
    expect((await fetch(base)).status).toBe(200);
  });

  it('refuses more requests in progress than its limit with 503 and Retry-After', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let entered = (): void => undefined;
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const base = await start(
      async (request) => {
        entered();
        await held;
        return echo(request);
      },
      { requestsInProgressMax: 1 },
    );
    const first = fetch(base);
    await inside;
    const second = await fetch(base);
    expect(second.status).toBe(503);
    expect(second.headers.get('retry-after')).toBe('1');
    expect(await second.json()).toEqual({ ok: false, error: 'service_unavailable' });
    release();
    expect((await first).status).toBe(200);
  });

  it('leaves turns of the event loop to others while hundreds ask at once', async () => {
    const count = 150;
    const base = await start((request) => {
      const endMs = performance.now() + 2;
      while (performance.now() < endMs);
      return echo(request);
    });
    let turns = 0;
    const beat = setInterval(() => (turns += 1), 1);
    const port = Number(new URL(base).port);
    const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    turns = 0;
    const answers = sockets.map((socket) => once(socket, 'data'));
    for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await Promise.all(answers);
    clearInterval(beat);
    for (const socket of sockets) socket.destroy();
    // Two milliseconds each: at most ten requests and one more fit into a turn.
    expect(turns).toBeGreaterThan(count / 20);
  });

  it('answers internal_error when a handler throws, and shows no stack', async () => {
    const base = await start(() => Promise.reject(new Error('secret')));
    const response = await fetch(base);
    expect(await response.json()).toEqual({ ok: false, error: 'internal_error' });
  });

  it('says in one line that a port is taken', async () => {
    const base = await start(echo);
    const port = Number(new URL(base).port);
    const again = startHttpListener({
      host: '127.0.0.1',
      port,
      handler: echo,
      clock: systemClock,
      logger: silentLogger,
    });
    await expect(again).rejects.toThrow(/^cannot listen on 127\.0\.0\.1:\d+: [^\n]*$/);
  });

  it('finishes requests in progress before it stops', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let entered = (): void => undefined;
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const base = await start(async (request) => {
      entered();
      await held;
      return echo(request);
    });
    const pending = fetch(base);
    await inside;
    const stopped = open.splice(0)[0]!.stop(5_000);
    release();
    expect((await pending).status).toBe(200);
    await stopped;
    await expect(fetch(base)).rejects.toThrow();
  });
});

describe('a listener that stops', () => {
  it('answers what comes on a kept connection meanwhile, however long that takes, and closes it with the answer', async () => {
    const clock = new ManualClock();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let entered = (): void => undefined;
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const base = await start(
      async (request) => {
        if (request.path !== '/late') return echo(request);
        entered();
        await held;
        return echo(request);
      },
      {},
      clock,
    );
    const socket = connect(Number(new URL(base).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (more: string) => (text += more));
    const ended = new Promise((resolve) => socket.on('close', resolve));
    socket.write('GET /first HTTP/1.1\r\nHost: x\r\n\r\n');
    await until('the first answer', () => text.includes('/first'));
    let hasStopped = false;
    const stopped = open
      .splice(0)[0]!
      .stop(5_000)
      .then(() => (hasStopped = true));
    socket.write('GET /late HTTP/1.1\r\nHost: x\r\n\r\n');
    await inside;
    await clock.advanceAndSettle(allLimits.httpSeeOffMs + 2 * allLimits.httpLingerMs);
    expect(hasStopped).toBe(false);
    release();
    await ended;
    await stopped;
    expect(text).toContain('/late');
    expect(text.toLowerCase()).toContain('connection: close');
  });

  it('leaves a silent connection its time, and waits no longer than for the last one to be gone', async () => {
    const clock = new ManualClock();
    const { socket, stopped } = await stopWithConnection(clock);
    const ended = once(socket, 'close');
    await clock.advanceAndSettle(allLimits.httpSeeOffMs - 1);
    socket.write('GET /after HTTP/1.1\r\nHost: x\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString('latin1')).toContain('/after');
    // No more time passes: only the end of the connection ends the wait.
    await ended;
    await stopped;
  });

  it('closes a connection that stays silent beyond its time', async () => {
    const clock = new ManualClock();
    const { socket, stopped } = await stopWithConnection(clock);
    const ended = once(socket, 'close');
    await clock.advanceAndSettle(allLimits.httpSeeOffMs + 2 * allLimits.httpLingerMs);
    await stopped;
    await ended;
  });
});

/** A listener that was told to stop while somebody is connected who has said nothing yet. */
async function stopWithConnection(clock: Clock) {
  const base = await start(echo, {}, clock);
  const socket = connect(Number(new URL(base).port), '127.0.0.1');
  // An answer shows that the listener knows of the connection.
  socket.write('GET /first HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'data');
  const stopped = open.splice(0)[0]!.stop(5_000);
  return { socket, stopped };
}

describe('the admin listener', () => {
  it('tells health, readiness and metrics', async () => {
    let missing: string[] = ['broker'];
    const metrics = { expose: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', body: 'a 1\n' }) };
    const options = { host: '127.0.0.1', port: 0, clock: systemClock, logger: silentLogger, metrics };
    const listener = await startAdminListener({ ...options, missing: () => missing });
    open.push(listener);
    const base = `http://127.0.0.1:${listener.port}`;
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    const before = await fetch(`${base}/readyz`);
    expect([before.status, await before.text()]).toEqual([503, 'not ready: broker\n']);
    missing = [];
    expect((await fetch(`${base}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${base}/metrics`)).text()).toBe('a 1\n');
    expect((await fetch(`${base}/secret`)).status).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: 'POST' })).status).toBe(405);
  });
});
