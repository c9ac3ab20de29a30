/** The gateway role, composed: WebSocket sessions, the gateway actor, and commands whose replies come in its batches. */
import { BUCKET_TOKENS } from '../broker/subjects.ts';
import { CommandRouter } from '../cluster/command-router.ts';
import { startMemberNode, type MemberNode } from '../cluster/member-node.ts';
import { defined } from '../platform/assert.ts';
import type { SlotRow } from '../protocol/cluster.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { startGateway, type Gateway, type GatewayNode } from '../transport/gateway-server.ts';
import { isTokenRevoked } from '../webapp/token-store.ts';
import { joinCluster } from './node-life.ts';
import { runRole, type RoleContext, type RoleOptions } from './role.ts';

export type GatewayRoleOptions = RoleOptions & {
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string | undefined;
};

export function runGateway(options: GatewayRoleOptions): Promise<never> {
  return runRole('gateway', options, (context) => startGatewayRole(context, options));
}

async function startGatewayRole(context: RoleContext, options: GatewayRoleOptions): Promise<number> {
  const { broker, clock, logger, lifecycle } = context;
  const place = new LatePlace();
  const gateway = await openGateway(context, options, place);
  const publicUrl = options.publicUrl ?? `ws://${options.host}:${gateway.port}`;
  const entry = context.entry({ publicUrl });
  const node = startMemberNode({ broker, entry, clock, logger, load: () => gateway.sessions() });
  lifecycle.onShutdown('node', () => node.stop());
  lifecycle.onShutdown('sessions', () => {
    node.announceDrain();
    return gateway.drain();
  });
  place.take(node);
  await joinCluster(context, node);
  return gateway.port;
}

function openGateway(context: RoleContext, options: GatewayRoleOptions, place: LatePlace): Promise<Gateway> {
  const { broker, clock, logger, metrics, lifecycle, incarnation, settings } = context;
  const ref = { region: options.region, incarnation };
  const lane = broker.commands;
  const rowOf = (slot: number): SlotRow | undefined => place.rowOf(slot);
  const ownerOf = (slot: number): Incarnation | undefined => place.ownerOf(slot);
  const routeTimer = metrics.hops.route;
  const sender = new CommandRouter({ lane, self: incarnation, clock, logger, via: ref, rowOf, ownerOf, routeTimer });
  place.onSlotsServed((slots) => sender.slotsServed(slots));
  lifecycle.onShutdown('command_router', () => sender.close());
  const { host, port } = options;
  const opening = startGateway({
    ...{ broker, node: place, sender, ref, ticketSecret: settings.secret, host, port, clock, logger, metrics },
    isRevoked: (tokenHash) => isTokenRevoked(broker.kv(BUCKET_TOKENS), tokenHash),
  });
  return opening.then((gateway) => {
    lifecycle.onShutdown('gateway', () => gateway.stop());
    return gateway;
  });
}

/** The gateway's place in the cluster, which needs the gateway's port and so comes after it. */
class LatePlace implements GatewayNode {
  #node: MemberNode | undefined;
  readonly #listeners: ((slots: readonly number[]) => void)[] = [];

  take(node: MemberNode): void {
    this.#node = node;
    for (const listener of this.#listeners) node.onSlotsServed(listener);
  }

  /** No batch comes before the cluster knows of the gateway. */
  table(): { slotsOf(owner: Incarnation): readonly number[] } {
    return defined(this.#node, 'gateway-role/no-batch-before-the-node').table();
  }

  rowOf(slot: number): SlotRow | undefined {
    return this.#node?.table().rows[slot];
  }

  ownerOf(slot: number): Incarnation | undefined {
    return this.#node?.table().settledOwner(slot);
  }

  onSlotsServed(listener: (slots: readonly number[]) => void): void {
    if (this.#node === undefined) this.#listeners.push(listener);
    else this.#node.onSlotsServed(listener);
  }
}
