/**
 * Makes what a cluster keeps at the broker: log streams, snapshots, buckets, and last the layout that says so. May run
 * any number of times; it never changes what is there.
 *
 * V1  discard `new` and no age limit: were a subject emptied by age or size, the server would forget its sequence and
 *     let a new owner start again at 1. Trimming is Belfry's own (purge, keeping the last record).
 * V2  Buckets have no direct access, so that reads go through the leader.
 */
import {
  DiscardPolicy,
  jetstream,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { type NatsConnection, RequestError, TimeoutError } from '@nats-io/transport-node';
import { type Clock, systemClock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { BrokerUnusableError } from './broker.ts';
import { checkLayout, type ClusterLayout, writeLayout } from './layout.ts';
import { checkEveryVersion, dial, inboxPrefixOf, type NatsAccess, serverOf, urlsOf } from './nats-dial.ts';
import { NatsKeyValue } from './nats-key-value.ts';
import { NatsLink } from './nats-link.ts';
import {
  BUCKET_CLUSTER,
  BUCKET_DIRECTORY,
  BUCKET_SECRETS,
  BUCKET_TOKENS,
  SNAPSHOT_STREAM,
  subjects,
} from './subjects.ts';

const STREAM_NAME_IN_USE = 10058;
/** A cluster that has just started: no leader yet, or not all of its servers. */
const NOT_READY_YET: readonly number[] = [10005, 10008, 10009];

/** With the admin user's access. @throws BrokerUnusableError in one line. */
export async function provisionNats(
  access: NatsAccess,
  layout: ClusterLayout,
  clock: Clock = systemClock,
): Promise<void> {
  checkLayout(layout);
  const connection = await dial(access, 'provision');
  try {
    if (layout.replicas > 1) await checkEveryVersion(access, connection);
    if (serverOf(connection).jetstream !== true) throw new Error('it runs without JetStream');
    await makeAll(connection, layout, clock, inboxPrefixOf(access));
  } catch (cause) {
    throw refusalOf(access, cause);
  } finally {
    await connection.close();
  }
}

async function makeAll(
  connection: NatsConnection,
  layout: ClusterLayout,
  clock: Clock,
  inboxPrefix: string,
): Promise<void> {
  const link = new NatsLink({ lane: 'provision', connection, clock, onError: () => undefined });
  const payloadBytesMax = serverOf(connection).max_payload;
  const parts = { link, jetstream: jetstream(connection), inboxPrefix, clock, payloadBytesMax };
  const cluster = new NatsKeyValue(parts, BUCKET_CLUSTER);
  const deadlineMs = clock.monotonicMs() + limits.provisionMs;
  for (;;) {
    try {
      await makeStreams(connection, layout);
      await makeBuckets(connection, layout);
      return await writeLayout(cluster, layout);
    } catch (error) {
      if (!isTransient(error) || clock.monotonicMs() >= deadlineMs) throw error;
      await clock.sleep(limits.provisionRetryMs);
    }
  }
}

/** True where the same call may succeed a moment later. */
function isTransient(error: unknown): boolean {
  const cause = error instanceof BrokerUnusableError ? error.cause : error;
  if (cause instanceof JetStreamApiError) return NOT_READY_YET.includes(cause.code);
  if (cause instanceof Error && cause.cause instanceof RequestError) return cause.cause.isNoResponders();
  return cause instanceof TimeoutError;
}

function refusalOf(access: NatsAccess, cause: unknown): BrokerUnusableError {
  if (cause instanceof BrokerUnusableError) return cause;
  const detail = cause instanceof Error ? cause.message : 'no reason given';
  return new BrokerUnusableError(`nats-server at ${urlsOf(access)} could not be initialised: ${detail}`, { cause });
}

async function makeStreams(connection: NatsConnection, layout: ClusterLayout): Promise<void> {
  const manager = await jetstreamManager(connection);
  for (let partition = 0; partition < layout.partitions; partition += 1) {
    const name = subjects.logStreamOf(partition);
    await makeStream(manager, { ...common(layout), name, subjects: [subjects.logSubjectsOf(partition)] });
  }
  await makeStream(manager, {
    ...common(layout),
    name: SNAPSHOT_STREAM,
    subjects: [subjects.snapshots],
    max_msgs_per_subject: 1,
  });
}

function common(layout: ClusterLayout) {
  return {
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    num_replicas: layout.replicas,
    allow_direct: true,
    deny_delete: true,
  } satisfies Partial<StreamConfig>;
}

type NewStream = ReturnType<typeof common> & { name: string; subjects: string[]; max_msgs_per_subject?: number };

async function makeStream(manager: JetStreamManager, config: NewStream): Promise<void> {
  try {
    await manager.streams.add(config);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== STREAM_NAME_IN_USE) throw error;
    // It is there with another configuration: an operator's change (a placement, more replicas) is theirs to make, but
    // one that breaks the log is not.
    const { config: present } = await manager.streams.info(config.name);
    const safe = present.discard === DiscardPolicy.New && present.max_age === 0 && present.allow_direct;
    if (!safe) throw new Error(`the stream ${config.name} has a max_age, discards old messages or lacks allow_direct`);
  }
}

async function makeBuckets(connection: NatsConnection, layout: ClusterLayout): Promise<void> {
  const buckets = new Kvm(connection);
  for (const bucket of [BUCKET_CLUSTER, BUCKET_DIRECTORY, BUCKET_TOKENS, BUCKET_SECRETS]) {
    await buckets.create(bucket, { replicas: layout.replicas, allow_direct: false, storage: StorageType.File });
  }
}
