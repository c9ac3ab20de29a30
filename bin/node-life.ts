/**
 * What joins a role's membership in the cluster to its process's life: ready when the cluster took it, drained when an
 * operator asked, ended when the cluster declared it dead.
 */
import type { Membership } from '../cluster/membership.ts';
import type { SlotTable } from '../cluster/slot-table.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { RoleContext } from './role.ts';

/** The part of a WorkerNode or MemberNode that every role treats alike. */
export type ClusterNode = {
  readonly ready: Promise<void>;
  readonly membership: Pick<Membership, 'clockAheadMs'>;
  table(): SlotTable;
  onEvicted(listener: () => void): void;
  onDrainRequested(listener: () => void): void;
};

/** Resolves when the node is in the cluster. @throws ClusterJoinError */
export async function joinCluster(context: RoleContext, node: ClusterNode): Promise<void> {
  const { lifecycle, broker, metrics } = context;
  showTable(metrics, node);
  showClock(metrics, node);
  const member = lifecycle.condition('cluster');
  const connected = lifecycle.condition('broker');
  connected.set(broker.control.status() === 'connected');
  broker.control.onStatus((status) => connected.set(status === 'connected'));
  // An incarnation declared dead never returns: whoever supervises the process starts a new life.
  node.onEvicted(() => void lifecycle.shutdown('evicted').then(() => process.exit(1)));
  node.onDrainRequested(() => void lifecycle.shutdown('drain_requested').then((code) => process.exit(code)));
  await node.ready;
  member.set(true);
}

/** The table as this node sees it: nodes that differ for long tell of one that is left behind. */
function showTable(metrics: Metrics, node: ClusterNode): void {
  metrics.gaugeOf('belfry_table_view', 'Revision of the slot table that this node acts on.', () => node.table().view);
  metrics.gaugeOf(
    'belfry_table_slots_handoff',
    'Slots on their way, by that table.',
    () => node.table().totals().handoff,
  );
  metrics.gaugeOf(
    'belfry_table_slots_orphaned',
    'Slots of nobody, by that table.',
    () => node.table().totals().orphaned,
  );
}

/** Times that people read come from it, and a worker whose clock is off takes no slots. */
function showClock(metrics: Metrics, { membership }: ClusterNode): void {
  metrics.gaugeOf(
    'belfry_clock_ahead_seconds',
    "How far this machine's clock is ahead of the median node's.",
    () => membership.clockAheadMs() / 1_000,
  );
}
