/**
 * For scenarios that append by themselves: a nats-server and nothing beside it, with nats.conf and what `belfry init`
 * makes there.
 *
 * O1  stop() ends it, waits for its end and removes its store.
 */
import { jetstreamManager, type StreamAPI } from '@nats-io/jetstream';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dial, type NatsAccess } from '../broker/nats-dial.ts';
import { provisionNats } from '../broker/nats-provision.ts';
import { findNatsServer, type NatsServerBinary } from '../broker/nats-server-binary.ts';
import { passwordVariables } from '../broker/nats-users.ts';
import { projectRoot } from '../platform/project-root.ts';
import { systemRng } from '../platform/rng.ts';
import { startServer } from './hosted-server.ts';
import type { RoleProcess } from './process-meter.ts';
import type { RunContext } from './scenario.ts';

export type OwnBroker = {
  readonly version: string;
  readonly process: RoleProcess;
  /** As one of its users; the incarnation is part of its connections' names. */
  access(user: string, incarnation: string): NatsAccess;
  readonly stop: () => Promise<void>;
};

export type OwnBrokerOptions = {
  /** The binary; undefined: as `belfry dev` finds one. */
  readonly natsServer: string | undefined;
  readonly partitions: number;
};

const passwordBytes = 20;

/** @throws UsageError where there is no nats-server new enough; BrokerUnusableError when it cannot be set up */
export async function startBroker(context: RunContext, options: OwnBrokerOptions): Promise<OwnBroker> {
  const binary = await findNatsServer(options.natsServer);
  const store = await mkdtemp(join(tmpdir(), 'belfry-bench-'));
  let stop = () => rm(store, { recursive: true, force: true });
  try {
    const server = await launch(context, binary, store);
    const removeStore = stop;
    stop = async () => {
      await server.stop();
      await removeStore();
    };
    await provisionNats(server.access('admin', 'bench'), { partitions: options.partitions, replicas: 1 });
    return { ...server, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function launch(context: RunContext, { path, version }: NatsServerBinary, store: string): Promise<OwnBroker> {
  // One for all users: nobody but this scenario's own processes knows it. nats.conf wants a letter first.
  const password = `p${Buffer.from(systemRng.bytes(passwordBytes)).toString('hex')}`;
  const passwords = { webapp: password, worker: password, gateway: password, admin: password, sys: password };
  const config = join(projectRoot(), 'nats.conf');
  const { pid, port, stop } = await startServer(context, {
    path,
    argsFor: (free) => ['-c', config, '-n', 'bench', '-a', '127.0.0.1', '-p', String(free), '-sd', store],
    env: passwordVariables(passwords),
    readyText: 'Server is ready',
  });
  const servers = [`nats://127.0.0.1:${port}`];
  return {
    ...{ version, stop, process: { role: 'nats', pid } },
    access: (user, incarnation) => ({ servers, user, password, incarnation }),
  };
}

export async function withStreams<T>(broker: OwnBroker, work: (streams: StreamAPI) => Promise<T>): Promise<T> {
  const connection = await dial(broker.access('admin', 'bench'), 'bench');
  try {
    return await work((await jetstreamManager(connection)).streams);
  } finally {
    await connection.close();
  }
}
