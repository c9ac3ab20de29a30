/** The webapp role, composed: the API's handlers on an HTTP listener, the router to the workers, the directory. */
import { clusterInfo, type ClusterInfo, type NodeInfo } from '../cluster/cluster-info.ts';
import { CommandRouter } from '../cluster/command-router.ts';
import { requestDrain } from '../cluster/drain-request.ts';
import { startMemberNode, type MemberNode } from '../cluster/member-node.ts';
import { UsageError } from '../platform/config.ts';
import { limits } from '../platform/limits.ts';
import { failureResponse, type ApiHandler, type ApiResponse } from '../protocol/http.ts';
import type { Incarnation, NodeId } from '../protocol/ids.ts';
import { startHttpListener } from '../transport/http-listener.ts';
import { decodeTeam, keys, type TeamRecord } from '../webapp/directory-records.ts';
import { createDirectory, type Directory } from '../webapp/directory.ts';
import type { DrainOutcome } from '../webapp/method.ts';
import type { RateLimitMode } from '../webapp/rate-limits.ts';
import { createWebapp } from '../webapp/webapp.ts';
import { joinCluster } from './node-life.ts';
import { runRole, type RoleContext, type RoleOptions } from './role.ts';

export type WebappRoleOptions = RoleOptions & {
  readonly host: string;
  readonly port: number;
  readonly publicUrl: string | undefined;
  readonly rateLimits: RateLimitMode;
};

export function runWebapp(options: WebappRoleOptions): Promise<never> {
  return runRole('webapp', options, (context) => startWebapp(context, options));
}

async function startWebapp(context: RoleContext, options: WebappRoleOptions): Promise<number> {
  const { broker, clock, rng, logger, metrics, lifecycle, incarnation } = context;
  const directory = createDirectory({ broker, clock, rng, logger });
  lifecycle.onShutdown('directory', () => directory.stop());
  const door = new Door();
  const { host, port } = options;
  const listener = await startHttpListener({ host, port, clock, logger, metrics, handler: door.handle });
  const publicUrl = options.publicUrl ?? `http://${host}:${listener.port}`;
  const node = startMemberNode({ broker, entry: context.entry({ publicUrl }), clock, logger, load: () => 0 });
  const ownerOf = (slot: number): Incarnation | undefined => node.table().settledOwner(slot);
  const routeTimer = metrics.hops.route;
  const sender = new CommandRouter({ lane: broker.commands, self: incarnation, clock, logger, ownerOf, routeTimer });
  lifecycle.onShutdown('command_router', () => sender.close());
  node.onSlotsServed((slots) => sender.slotsServed(slots));
  lifecycle.onShutdown('node', () => node.stop());
  lifecycle.onShutdown('http_listener', () => {
    node.announceDrain();
    return listener.stop(limits.commandBudgetMs);
  });
  const settings = { ...(await appSettings(context, directory)), publicUrl, region: options.region };
  const cluster = clusterSide(context, node);
  const { rateLimits } = options;
  const webapp = createWebapp({ ...cluster, directory, sender, settings, rateLimits, clock, rng, logger, metrics });
  await directory.ready;
  await joinCluster(context, node);
  door.open(webapp.handle);
  return listener.port;
}

/** The listener is there before the parts that know its port: until they are, every call may be tried again. */
class Door {
  #handler: ApiHandler | undefined;

  readonly handle: ApiHandler = (request) => this.#handler?.(request) ?? Promise.resolve(notYet);

  open(handler: ApiHandler): void {
    this.#handler = handler;
  }
}

const notYet: ApiResponse = failureResponse('service_unavailable', 503, { 'retry-after': '1' });

async function appSettings(
  { settings }: RoleContext,
  directory: Directory,
): Promise<{ team: TeamRecord; ticketSecret: string }> {
  const team = await directory.bucket.read(keys.team, decodeTeam);
  if (team.kind === 'found') return { team: team.value, ticketSecret: settings.secret };
  throw new UsageError(
    team.kind === 'absent' ? 'the team is missing: run `belfry init` first' : 'the broker does not answer',
  );
}

function clusterSide({ broker, logger }: RoleContext, node: MemberNode) {
  return {
    nodes: () => node.gateways(),
    clusterInfo: () => plainInfo(clusterInfo(node.membership, node.table())),
    requestDrain: async (id: NodeId): Promise<DrainOutcome> =>
      drainAnswer[(await requestDrain(broker, id, logger)).kind],
  };
}

/** As the API answers it: plain records. */
function plainInfo(info: ClusterInfo) {
  const plain = (nodes: readonly NodeInfo[]) => nodes.map((node) => ({ ...node }));
  const { workers, gateways, webapps, slots } = info;
  return { ...info, workers: plain(workers), gateways: plain(gateways), webapps: plain(webapps), slots: { ...slots } };
}

const drainAnswer = {
  accepted: 'accepted',
  'not-found': 'not-found',
  'no-answer': 'unavailable',
  unavailable: 'unavailable',
} as const;
