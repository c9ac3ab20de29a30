/** The worker role, composed: the actors of the slots that the cluster gives it, on the broker's log. */
import { createSlotHost } from '../actors/slot-runtime.ts';
import { readLayout } from '../broker/layout.ts';
import { BUCKET_CLUSTER } from '../broker/subjects.ts';
import { CommandRouter } from '../cluster/command-router.ts';
import { startWorkerNode } from '../cluster/worker-node.ts';
import { joinCluster } from './node-life.ts';
import { runRole, type RoleContext, type RoleOptions } from './role.ts';

export type WorkerRoleOptions = RoleOptions & { readonly weight: number };

export function runWorker(options: WorkerRoleOptions): Promise<never> {
  return runRole('worker', options, (context) => startWorker(context, options));
}

async function startWorker(context: RoleContext, options: WorkerRoleOptions): Promise<number> {
  const { broker, clock, rng, logger, metrics, lifecycle, incarnation } = context;
  const system = await context.connectSystem();
  const routeTimer = metrics.hops.route;
  const sender = new CommandRouter({ lane: broker.commands, self: incarnation, clock, logger, routeTimer });
  lifecycle.onShutdown('command_router', () => sender.close());
  const { partitions } = await readLayout(broker.kv(BUCKET_CLUSTER));
  const settings = { partitions, team: context.settings.team };
  const host = createSlotHost({
    ...{ records: broker.records, messaging: broker.commands, sender, settings },
    ...{ incarnation, clock, rng, logger, metrics },
  });
  lifecycle.onShutdown('slot_host', () => host.stop());
  const entry = context.entry({ weight: options.weight });
  const node = startWorkerNode({ broker, system, host, entry, clock, logger });
  metrics.gaugeOf('belfry_ring_manager', '1 on the worker that writes the slot table.', () =>
    Number(node.isRingManager()),
  );
  lifecycle.onShutdown('node', () => node.stop());
  lifecycle.onShutdown('slots', () => node.drain());
  await joinCluster(context, node);
  return 0;
}
