/** Who is still connected, asked of real servers: of three, one of which stands still, and of one with many clients. */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broker, BrokerSystem } from '../../broker/broker.ts';
import { connectNats } from '../../broker/nats-broker.ts';
import { provisionNats } from '../../broker/nats-provision.ts';
import { connectNatsSystem } from '../../broker/nats-system.ts';
import type { NatsUser } from '../../broker/nats-users.ts';
import { evict, type Eviction } from '../../cluster/eviction.ts';
import { systemClock } from '../../platform/clock.ts';
import { limits } from '../../platform/limits.ts';
import { silentLogger } from '../../platform/logger.ts';
import { systemRng } from '../../platform/rng.ts';
import { type Incarnation, makeIncarnation, parseNodeId } from '../../protocol/ids.ts';
import { startNatsCluster, startNatsServer, type TestNatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';

const incarnationOf = (name: string): Incarnation => makeIncarnation(parseNodeId(name)!, systemRng);
const at = (server: TestNatsServer, user: NatsUser, incarnation: string) => ({
  servers: [server.url],
  ...server.users[user],
  incarnation,
});

describe('an eviction on three servers', () => {
  const self = incarnationOf('manager');
  let servers: TestNatsServer[];
  let system: BrokerSystem;
  let manager: Broker;
  let far: TestNatsServer;
  beforeAll(async () => {
    servers = await startNatsCluster(3);
    const [near, , last] = servers;
    if (near === undefined || last === undefined) throw new Error('three servers were asked for');
    far = last;
    await provisionNats(at(near, 'admin', 'init'), { partitions: 1, replicas: 3 });
    system = await connectNatsSystem(at(near, 'sys', self));
    manager = await connectNats(at(near, 'worker', self));
  }, 60_000);
  afterAll(async () => {
    await system?.close();
    await manager?.close();
    await Promise.all((servers ?? []).map((server) => server.stop()));
  });

  const eviction = async (dead: Incarnation): Promise<{ result: Eviction; tookMs: number }> => {
    const startedMs = performance.now();
    const result = await evict(dead, { self, system, clock: systemClock, logger: silentLogger });
    return { result, tookMs: performance.now() - startedMs };
  };
  const everybodyAnswers = () =>
    until('all servers to answer', async () => (await system.connectionsOf('belfry.', 500)).isComplete);

  it('is sure when all three answered: everything is closed, wherever it was connected', async () => {
    await everybodyAnswers();
    const dead = incarnationOf('victim');
    const victim = await connectNats(at(far, 'worker', dead));
    expect((await eviction(dead)).result).toBe('cut-off');
    await victim.close();
  });

  it('is unsure while the server that holds the connections stands still, and sure when it goes on', async () => {
    await everybodyAnswers();
    const dead = incarnationOf('victim');
    const victim = await connectNats(at(far, 'worker', dead));
    far.freeze();
    const { result, tookMs } = await eviction(dead);
    expect(result).toBe('unsure');
    expect(tookMs).toBeLessThan(limits.evictionMs + 500);
    far.thaw();
    await until('it to be cut off', async () => (await eviction(dead)).result === 'cut-off');
    await victim.close();
  }, 30_000);

  it('is unsure while a server is dead, and sure when it was started again', async () => {
    await everybodyAnswers();
    const dead = incarnationOf('victim');
    await far.kill();
    const { result, tookMs } = await eviction(dead);
    expect(result).toBe('unsure');
    expect(tookMs).toBeLessThan(limits.evictionMs + 500);
    await far.start();
    await until('it to be cut off', async () => (await eviction(dead)).result === 'cut-off');
  }, 30_000);
});

describe('a server with more connections than one page of its list holds', () => {
  const others = 1_200;
  let server: TestNatsServer;
  const sockets: Socket[] = [];
  beforeAll(async () => {
    server = await startNatsServer();
    await provisionNats(at(server, 'admin', 'init'), { partitions: 1, replicas: 1 });
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await server?.stop();
  });

  /** Signs in and answers pings. On a busy machine the server gives some up. */
  function open(): void {
    const { user, password } = server.users.gateway;
    const options = { user, pass: password, verbose: false, pedantic: false, name: 'somebody' };
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write(`CONNECT ${JSON.stringify(options)}\r\n`));
    socket.on('data', (data: Buffer) => {
      if (data.includes('PING')) socket.write('PONG\r\n');
    });
  }

  it('lists those on the last page too', async () => {
    const system = await connectNatsSystem(at(server, 'sys', 'manager-1'));
    const listed = async () => (await system.connectionsOf('somebody', 2_000)).connections.length;
    for (let opened = 0; opened < others; opened += 1) open();
    await until('more to be signed in than one page holds', async () => (await listed()) > 1_024);
    const victim = await connectNats(at(server, 'worker', 'victim-1'));
    const { connections, isComplete } = await system.connectionsOf('belfry.victim-1.', 2_000);
    expect(isComplete).toBe(true);
    expect(new Set(connections.map(({ client }) => client))).toEqual(
      new Set(victim.connections().map(({ client }) => client)),
    );
    await system.close();
    await victim.close();
  }, 30_000);
});
