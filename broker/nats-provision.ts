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
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { BrokerUnusableError } from './broker.ts';
import { checkLayout, type ClusterLayout, writeLayout } from './layout.ts';
import { connectNats } from './nats-broker.ts';
import { dial, type NatsAccess, urlsOf } from './nats-dial.ts';
import { BUCKET_CLUSTER, BUCKET_DIRECTORY, BUCKET_TOKENS, SNAPSHOT_STREAM, subjects } from './subjects.ts';

const STREAM_NAME_IN_USE = 10058;

/** With the admin user's access. @throws BrokerUnusableError in one line. */
export async function provisionNats(access: NatsAccess, layout: ClusterLayout): Promise<void> {
  checkLayout(layout);
  const connection = await dial(access, 'provision');
  try {
    await makeStreams(connection, layout);
    await makeBuckets(connection, layout);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : 'no reason given';
    throw new BrokerUnusableError(`nats-server at ${urlsOf(access)} could not be initialised: ${detail}`, { cause });
  } finally {
    await connection.close();
  }
  const broker = await connectNats({ ...access, records: false });
  try {
    await writeLayout(broker.kv(BUCKET_CLUSTER), layout);
  } finally {
    await broker.close();
  }
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
  for (const bucket of [BUCKET_CLUSTER, BUCKET_DIRECTORY, BUCKET_TOKENS]) {
    await buckets.create(bucket, { replicas: layout.replicas, allow_direct: false, storage: StorageType.File });
  }
}
