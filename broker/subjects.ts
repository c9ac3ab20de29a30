/**
 * Subjects, streams and buckets: the one place where their names are built and taken apart. docs/PROTOCOL.md lists
 * them, nats.conf's permissions name the same prefixes.
 */
import type { GatewayRef } from '../protocol/commands.ts';
import type { Incarnation, StreamId } from '../protocol/ids.ts';

/** Hash slots; fixed when a cluster is created. */
export const SLOTS = 4096;

/** Constant: an overlap of two owners' subscriptions never doubles a command. */
export const COMMAND_QUEUE = 'owner';
export const BUCKET_CLUSTER = 'belfry_cluster';
export const BUCKET_DIRECTORY = 'belfry_directory';
export const BUCKET_TOKENS = 'belfry_tokens';
/** What is kept as it is, and read by webapps only. */
export const BUCKET_SECRETS = 'belfry_secrets';
/** Snapshots: last value per subject. */
export const SNAPSHOT_STREAM = 'BELFRY_SNAP';

export const subjects = {
  /** Commands for a slot's owner. */
  command: (slot: number) => `belfry.cmd.${slot}`,
  /** Commands for slots that one worker serves, several in one message. */
  commands: (owner: Incarnation) => `belfry.cmd.${owner}`,
  /** Where replies to one process arrive; a reply's last token is the id of the request, or of the bundle it came in. */
  replies: (incarnation: Incarnation) => `belfry.rep.${incarnation}.*`,
  reply: (incarnation: Incarnation, requestId: number) => `belfry.rep.${incarnation}.${requestId}`,
  /** A worker's batches to one gateway. */
  batch: (gateway: GatewayRef) => `belfry.out.${gateway.region}.${gateway.incarnation}`,
  /** A worker's batches to all gateways of a region at once. */
  regionBatch: (region: string) => `belfry.out.${region}`,
  heartbeat: (role: string, incarnation: Incarnation) => `belfry.hb.${role}.${incarnation}`,
  heartbeats: 'belfry.hb.>',
  /** What workers tell and ask one life of a node (ping, hand-off). */
  control: (role: string, incarnation: Incarnation) => `belfry.ctl.${role}.${incarnation}`,
  /** An operator's request to one life of a node. */
  drain: (incarnation: Incarnation) => `belfry.ctl.drain.${incarnation}`,
  /** News for every webapp and gateway: revocations of tokens. */
  news: (topic: string) => `belfry.ctl.news.${topic}`,
  log: (partitions: number, slot: number, stream: StreamId) => `belfry.log.${slot % partitions}.${slot}.${stream}`,
  logStream: (partitions: number, slot: number) => `BELFRY_LOG_${slot % partitions}`,
  logStreamOf: (partition: number) => `BELFRY_LOG_${partition}`,
  logSubjectsOf: (partition: number) => `belfry.log.${partition}.>`,
  snapshot: (slot: number, stream: StreamId, part: string) => `belfry.snap.${slot}.${stream}.${part}`,
  snapshots: 'belfry.snap.>',
} as const;

/** The same process's subject for the reply to another request. */
export function replyOf(subject: string, requestId: number): string {
  return `${replyAddress(subject)}.${requestId}`;
}

/** What the subjects of all replies to one process have in common. */
export function replyAddress(subject: string): string {
  return subject.slice(0, subject.lastIndexOf('.'));
}

/** The request id at the end of a reply subject; undefined for anything else. */
export function requestIdOf(subject: string): number | undefined {
  const id = Number(subject.slice(subject.lastIndexOf('.') + 1));
  return Number.isSafeInteger(id) && id >= 0 ? id : undefined;
}
