/**
 * What `belfry init` fixed for a cluster's life, and where every role finds it: the cluster bucket's key `layout`. It is
 * written last, so its presence also says that the streams and buckets are there.
 */
import { z } from 'zod';
import { BrokerUnusableError, type KeyValue } from './broker.ts';

export interface ClusterLayout {
  /** Log streams: slot s stands in stream s mod partitions. */
  readonly partitions: number;
  /** Copies of every stream and bucket. */
  readonly replicas: number;
}

const LAYOUT_KEY = 'layout';
const LAYOUT_FORMAT = 1;
const PARTITIONS_MAX = 64;
const schema = z.object({
  format: z.literal(LAYOUT_FORMAT),
  partitions: z.int().min(1).max(PARTITIONS_MAX),
  replicas: z.union([z.literal(1), z.literal(3), z.literal(5)]),
});

/** @throws BrokerUnusableError when the cluster was not initialised, or the broker cannot be read. */
export async function readLayout(cluster: KeyValue): Promise<ClusterLayout> {
  const read = await cluster.get(LAYOUT_KEY);
  switch (read.kind) {
    case 'found':
      return decodeLayout(read.entry.value);
    case 'absent':
      throw new BrokerUnusableError('the broker is not initialised: run `belfry init` first');
    case 'unavailable':
      throw new BrokerUnusableError('the broker does not answer, or is not initialised: run `belfry init` first', {
        cause: read.cause,
      });
    default:
      return read satisfies never;
  }
}

/** Writes it once. @throws BrokerUnusableError when another one stands there, or the broker cannot be written. */
export async function writeLayout(cluster: KeyValue, layout: ClusterLayout): Promise<void> {
  checkLayout(layout);
  const written = await cluster.create(LAYOUT_KEY, Buffer.from(JSON.stringify({ format: LAYOUT_FORMAT, ...layout })));
  if (written.kind === 'written') return;
  if (written.kind === 'unknown') {
    throw new BrokerUnusableError('the layout could not be written', { cause: written.cause });
  }
  const present = await readLayout(cluster);
  if (present.partitions === layout.partitions && present.replicas === layout.replicas) return;
  throw new BrokerUnusableError(
    `already initialised with ${present.partitions} partitions and ${present.replicas} replicas, which cannot be changed`,
  );
}

/** @throws BrokerUnusableError for numbers that no cluster can have. */
export function checkLayout(layout: ClusterLayout): void {
  const result = schema.safeParse({ format: LAYOUT_FORMAT, ...layout });
  if (!result.success) {
    throw new BrokerUnusableError(`partitions must be 1 to ${PARTITIONS_MAX}, replicas 1, 3 or 5`);
  }
}

function decodeLayout(bytes: Uint8Array): ClusterLayout {
  try {
    const { partitions, replicas } = schema.parse(JSON.parse(Buffer.from(bytes).toString()));
    return { partitions, replicas };
  } catch (cause) {
    throw new BrokerUnusableError('the layout in the cluster bucket is of another release', { cause });
  }
}
