/**
 * The two implementations of the broker contract behind one face, for suites that run over both. On NATS clients connect
 * as the role users of nats.conf, so that a suite also proves the permissions.
 */
import { connectNats } from '../../broker/nats-broker.ts';
import type { Broker, BrokerSystem } from '../../broker/broker.ts';
import { MemoryBrokerHub } from '../../broker/memory-broker.ts';
import { provisionNats } from '../../broker/nats-provision.ts';
import { connectNatsSystem } from '../../broker/nats-system.ts';
import { systemClock } from '../../platform/clock.ts';
import type { NatsUser } from '../../broker/nats-users.ts';
import { startNatsServer } from './nats-server.ts';

export interface BrokerWorld {
  readonly name: string;
  /** Of each process with a log. */
  readonly connectionCount: number;
  /** `user` matters on NATS only. */
  connect(incarnation: string, user?: NatsUser): Promise<Broker>;
  system(): Promise<BrokerSystem>;
  /** The server goes away without a word, and comes back with what it stored. */
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
  close(): Promise<void>;
}

const LAYOUT = { partitions: 1, replicas: 1 } as const;

export async function memoryWorld(): Promise<BrokerWorld> {
  const hub = new MemoryBrokerHub({ clock: systemClock });
  await hub.provision(LAYOUT);
  const open: Broker[] = [];
  return {
    name: 'in memory',
    connectionCount: 4,
    connect: async (incarnation) => keep(open, hub.connect(incarnation)),
    system: async () => hub.system(),
    stopServer: async () => hub.stop(),
    startServer: async () => hub.start(),
    close: () => closeAll(open),
  };
}

export async function natsWorld(): Promise<BrokerWorld> {
  const server = await startNatsServer();
  const access = (user: NatsUser, incarnation: string) => ({
    servers: [server.url],
    ...server.users[user],
    incarnation,
  });
  await provisionNats(access('admin', 'init'), LAYOUT);
  const open: (Broker | BrokerSystem)[] = [];
  return {
    name: 'NATS',
    connectionCount: 5,
    connect: async (incarnation, user = 'worker') => {
      return keep(open, await connectNats({ ...access(user, incarnation), records: user === 'worker' }));
    },
    system: async () => keep(open, await connectNatsSystem(access('sys', 'watcher'))),
    stopServer: () => server.kill(),
    startServer: () => server.start(),
    close: async () => {
      await closeAll(open);
      await server.stop();
    },
  };
}

function keep<T>(open: unknown[], opened: T): T {
  open.push(opened);
  return opened;
}

async function closeAll(open: { close(): Promise<void> }[]): Promise<void> {
  await Promise.all(open.splice(0).map((opened) => opened.close()));
}
