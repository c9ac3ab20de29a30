/**
 * For scenarios that append by themselves: a `belfry dev` that is there for its broker, and further log streams like the
 * one that it has.
 */
import { jetstreamManager, type StreamAPI } from '@nats-io/jetstream';
import { dial, type NatsAccess } from '../broker/nats-dial.ts';
import { subjects } from '../broker/subjects.ts';
import { readNatsPassword } from './dev-file.ts';
import { startDev, type DevInstance } from './dev-instance.ts';
import type { RunContext } from './scenario.ts';

/** The roles beside its broker idle, so their CPU is not profiled; one of each is the least that `belfry dev` runs. */
export function startBroker(
  { clock, signal }: Pick<RunContext, 'clock' | 'signal'>,
  natsServer: string | undefined,
): Promise<DevInstance> {
  return startDev(clock, signal, { workers: 1, gateways: 1, natsServer, profileFolder: undefined });
}

/** The broker of a `belfry dev`, as one of its roles. */
export function natsAccess({ folder, natsPort }: DevInstance, user: string, incarnation: string): NatsAccess {
  return { servers: [`nats://127.0.0.1:${natsPort}`], user, password: readNatsPassword(folder, user), incarnation };
}

export async function withStreams<T>(instance: DevInstance, work: (streams: StreamAPI) => Promise<T>): Promise<T> {
  const connection = await dial(natsAccess(instance, 'admin', 'bench'), 'bench');
  try {
    return await work((await jetstreamManager(connection)).streams);
  } finally {
    await connection.close();
  }
}

/** So that there are `count` in all. */
export async function makePartitions(streams: StreamAPI, count: number): Promise<void> {
  const { config } = await streams.info(subjects.logStreamOf(0));
  for (let partition = 1; partition < count; partition += 1) {
    const names = { name: subjects.logStreamOf(partition), subjects: [subjects.logSubjectsOf(partition)] };
    await streams.add({ ...config, ...names });
  }
}
