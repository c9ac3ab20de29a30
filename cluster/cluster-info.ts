/**
 * The cluster at a glance, as belfry.cluster.info and `belfry status` show it: from the bucket's entries and the
 * heartbeats heard.
 */
import { BUCKET_CLUSTER } from '../broker/subjects.ts';
import type { Broker } from '../broker/broker.ts';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { Heartbeat } from '../protocol/cluster.ts';
import { Membership, type Member } from './membership.ts';
import type { SlotTable, SlotTotals } from './slot-table.ts';
import { TableFollower } from './table-follower.ts';

export interface NodeInfo {
  readonly id: string;
  readonly incarnation: string;
  readonly zone: string;
  readonly region: string;
  readonly publicUrl: string;
  readonly adminUrl: string;
  readonly pid: number;
  readonly version: string;
  readonly weight: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** `silent`: listed, but not heard. */
  readonly state: Heartbeat['state'] | 'silent';
  readonly view: number;
  /** Slots of a worker, sessions of a gateway. */
  readonly load: number;
  /** Slots the table gives it. */
  readonly slots: number;
}

export interface ClusterInfo {
  readonly view: number;
  readonly workers: readonly NodeInfo[];
  readonly gateways: readonly NodeInfo[];
  readonly webapps: readonly NodeInfo[];
  readonly slots: SlotTotals;
}

export function clusterInfo(membership: Membership, table: SlotTable): ClusterInfo {
  const list = (role: 'worker' | 'gateway' | 'webapp'): readonly NodeInfo[] =>
    membership
      .nodes(role)
      .map((member) => nodeInfo(member, membership.isFresh(member), table))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    view: table.view,
    workers: list('worker'),
    gateways: list('gateway'),
    webapps: list('webapp'),
    slots: table.totals(),
  };
}

/** For who is no member: listens to a few heartbeats first. */
export async function lookAtCluster(broker: Broker, clock: Clock, logger: Logger): Promise<ClusterInfo> {
  const shared = { bucket: broker.kv(BUCKET_CLUSTER), clock, logger };
  const follower = new TableFollower(shared);
  const membership = new Membership({ ...shared, lane: broker.control });
  await Promise.all([membership.start(), follower.read()]);
  await clock.sleep(limits.clusterLookMs);
  membership.stop();
  return clusterInfo(membership, follower.table);
}

function nodeInfo({ entry, beat }: Member, fresh: boolean, table: SlotTable): NodeInfo {
  return {
    id: entry.id,
    incarnation: entry.incarnation,
    zone: entry.zone,
    region: entry.region,
    publicUrl: entry.publicUrl,
    adminUrl: entry.adminUrl,
    pid: entry.pid,
    version: entry.version,
    weight: entry.weight,
    startedAt: entry.startedAt,
    state: beat !== undefined && fresh ? beat.state : 'silent',
    view: beat?.view ?? 0,
    load: beat?.load ?? 0,
    slots: table.slotsOf(entry.incarnation).length,
  };
}
