/** The parts of the NATS implementation that need no server, or one that only says hello. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BrokerUnusableError } from '../../../broker/broker.ts';
import { atLeast, checkEveryVersion, dial, NATS_VERSION_MIN, urlsOf } from '../../../broker/nats-dial.ts';
import { NatsLink } from '../../../broker/nats-link.ts';
import { acknowledgedSequence } from '../../../broker/nats-record-store.ts';
import { subjectMatches } from '../../../broker/subject-match.ts';
import { systemClock } from '../../../platform/clock.ts';
import { until } from '../../support/until.ts';

const access = (url: string) => ({ servers: [url], user: 'worker', password: 'secret', incarnation: 'w-1' });

describe('an acknowledgement', () => {
  const bytes = (text: string): Uint8Array => Buffer.from(text);

  it('is read for its sequence as a JSON parser would', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Z_0-9]{1,20}$/),
        fc.integer({ min: 1, max: 2 ** 50 }),
        fc.boolean(),
        fc.boolean(),
        (stream, seq, more, spaced) => {
          const plain = JSON.stringify({ stream, seq, ...(more ? { domain: 'd', duplicate: true } : {}) });
          // As the server writes it.
          const ack = spaced ? plain.replace(',"seq"', ', "seq"') : plain;
          expect(acknowledgedSequence(bytes(ack))).toBe(seq);
        },
      ),
    );
  });

  it('is not seen in anything else', () => {
    for (const text of [
      '',
      '{"stream":"',
      '{"stream":"S"}',
      '{"stream":"S","seq":0}',
      '{"stream":"S","seq":}',
      '{"seq":7,"stream":"S"}',
      '{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"},"stream":"S","seq":0}',
    ]) {
      expect({ text, sequence: acknowledgedSequence(bytes(text)) }).toEqual({ text, sequence: undefined });
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => void acknowledgedSequence(noise)));
  });
});

interface FakeServer {
  readonly url: string;
  version: string;
  /** Addresses of its cluster's servers, as it tells them. */
  others: readonly string[];
  /** Every connection, now. */
  drop(): void;
  close(): void;
}

/** It says hello and answers pings. */
async function startFakeServer(version: string): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    const info = { server_id: 'FAKE', server_name: 'fake', go: 'go', host: 'h', port: 1, max_payload: 1024, proto: 1 };
    const cluster = { connect_urls: server.others.map((url) => new URL(url).host) };
    const hello = { ...info, ...cluster, version: server.version, client_id: 1, headers: true };
    socket.write(`INFO ${JSON.stringify(hello)}\r\n`);
    socket.on('data', (data) => {
      if (data.includes('PING')) socket.write('PONG\r\n');
    });
    socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const server: FakeServer = {
    url: `nats://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    version,
    others: [],
    drop: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: () => {
      listener.close();
      server.drop();
    },
  };
  return server;
}

describe('a server', () => {
  it('is new enough from its minimum version on', () => {
    expect(
      ['2.10.27', '2.10.28', '2.11.0', '3.0.0', '2.12.0-RC.1'].map((version) => atLeast(version, NATS_VERSION_MIN)),
    ).toEqual(Array.from({ length: 5 }, () => true));
    expect(['2.10.26', '2.9.99', '1.99.99', '', 'newest'].map((version) => atLeast(version, NATS_VERSION_MIN))).toEqual(
      Array.from({ length: 5 }, () => false),
    );
  });

  it('that is too old is refused in one line, and why', async () => {
    const old = await startFakeServer('2.9.10');
    expect(await refusalOf(old.url)).toBe(
      `nats-server at ${old.url} is 2.9.10; ${NATS_VERSION_MIN} or newer is needed: ` +
        'before 2.9.21 two writers can both win a compare-and-set with three replicas',
    );
    old.version = '2.10.26';
    expect(await refusalOf(old.url)).toMatch(/ is 2\.10\.26; .*: older ones were never tried$/);
    old.close();
  });

  it('that is too old is found behind another one, and one that is away is not waited for', async () => {
    const [fresh, old, away] = await Promise.all(['2.10.27', '2.9.10', '2.9.10'].map(startFakeServer));
    if (fresh === undefined || old === undefined || away === undefined) throw new Error('three servers were asked for');
    away.close();
    fresh.others = [old.url, away.url];
    const connection = await dial(access(fresh.url), 'commands');
    await expect(checkEveryVersion(access(fresh.url), connection)).rejects.toThrow(/ is 2\.9\.10; /);
    old.version = '2.11.0';
    await checkEveryVersion(access(fresh.url), connection);
    await connection.close();
    for (const server of [fresh, old]) server.close();
  });

  it('that is too old is left again when a connection comes back to it', async () => {
    const server = await startFakeServer('2.10.27');
    const complaints: string[] = [];
    const connection = await dial(access(server.url), 'commands');
    const onError = (_lane: string, { message }: Error) => void complaints.push(message);
    const link = new NatsLink({ lane: 'commands', connection, clock: systemClock, onError });
    server.version = '2.9.10';
    server.drop();
    await until('the old server to be left twice', () => complaints.length > 1);
    expect([link.status(), complaints[0]]).toEqual([
      'disconnected',
      expect.stringMatching(/^nats-server .* is 2\.9\.10; /),
    ]);
    server.version = '2.10.27';
    await until('the connection to be back', () => link.connected);
    await connection.close();
    server.close();
  });

  it('that is absent is named in one line', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const url = `nats://127.0.0.1:${(closed.address() as AddressInfo).port}`;
    closed.close();
    await once(closed, 'close');
    expect(await refusalOf(url)).toBe(`no nats-server at ${url}: connection refused`);
  });

  it('is named without the credentials of its URL', () => {
    expect(urlsOf(access('nats://joe:pass@host:4222'))).toBe('nats://host:4222');
  });

  async function refusalOf(url: string): Promise<string> {
    const error: unknown = await dial(access(url), 'commands').catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(BrokerUnusableError);
    return (error as Error).message;
  }
});

describe('a subject', () => {
  it.each([
    ['a.b', 'a.b', true],
    ['a.b', 'a.b.c', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a.b.c', false],
    ['a.*', 'a', false],
    ['*.b', 'a.b', true],
    ['a.>', 'a.b.c', true],
    ['a.>', 'a', false],
    ['>', 'a', true],
    ['a.*.c', 'a.b.c', true],
    ['a.*.c', 'a.b.d', false],
    ['a.b', 'a.', false],
  ])('%s filters %s: %s', (filter, subject, matches) => {
    expect(subjectMatches(filter, subject)).toBe(matches);
  });
});
