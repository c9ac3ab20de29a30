/**
 * What joins a role's membership in the cluster to its process's life: ready when the cluster took it, drained when an
 * operator asked, ended when the cluster declared it dead.
 */
import type { RoleContext } from './role.ts';

/** The part of a WorkerNode or MemberNode that every role treats alike. */
export type ClusterNode = {
  readonly ready: Promise<void>;
  onEvicted(listener: () => void): void;
  onDrainRequested(listener: () => void): void;
};

/** Resolves when the node is in the cluster. @throws ClusterJoinError */
export async function joinCluster(context: RoleContext, node: ClusterNode): Promise<void> {
  const { lifecycle, broker } = context;
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
