/**
 * What every role's process has: a name, a life, logs, metrics, the broker, the cluster's settings, an admin port, and
 * one way to end. A role adds its own parts and says when it is ready.
 *
 * R1  A role writes nothing on stdout but its ready line (ready-line.ts).
 * R2  Shutdown closes in the opposite order: the role's parts, then the admin port, then the broker's connections.
 * R3  What the operator must mend (the broker is absent, too old, refuses us or is not initialised) is one line, exit 2.
 */
import { hostname } from 'node:os';
import { BrokerUnusableError, type Broker, type BrokerSystem } from '../broker/broker.ts';
import { connectNats } from '../broker/nats-broker.ts';
import type { NatsAccess } from '../broker/nats-dial.ts';
import { connectNatsSystem } from '../broker/nats-system.ts';
import { BUCKET_CLUSTER } from '../broker/subjects.ts';
import { ClusterJoinError } from '../cluster/own-node.ts';
import { readSettings, type ClusterSettings } from '../cluster/settings.ts';
import { defined } from '../platform/assert.ts';
import { systemClock, type Clock } from '../platform/clock.ts';
import { UsageError } from '../platform/config.ts';
import { Lifecycle } from '../platform/lifecycle.ts';
import { createLogger, type Logger, type LogLevel } from '../platform/logger.ts';
import { createMetrics, type Metrics } from '../platform/metrics.ts';
import { systemRng, type Rng } from '../platform/rng.ts';
import type { NodeEntry, Role } from '../protocol/cluster.ts';
import { makeIncarnation, parseNodeId, type Incarnation, type NodeId } from '../protocol/ids.ts';
import { startAdminListener } from '../transport/admin-listener.ts';
import { projectVersion } from '../platform/project-root.ts';
import { checkRuntime } from '../platform/runtime-check.ts';
import { readyLine } from './ready-line.ts';

export type RoleOptions = {
  readonly nats: readonly string[];
  readonly natsCa: string | undefined;
  readonly natsUser: string | undefined;
  readonly natsPassword: string | undefined;
  readonly natsSysUser: string;
  readonly natsSysPassword: string | undefined;
  readonly id: string | undefined;
  readonly adminHost: string;
  readonly adminPort: number;
  readonly zone: string;
  readonly region: string;
  readonly logLevel: LogLevel;
};

export type RoleContext = OpenedContext & {
  /** Its entry in the cluster, given what only some roles have. */
  entry(own: { readonly weight?: number; readonly publicUrl?: string }): NodeEntry;
};

type OpenedContext = {
  readonly role: Role;
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly lifecycle: Lifecycle;
  readonly broker: Broker;
  readonly settings: ClusterSettings;
  /** The broker's system account; undefined without its password. */
  connectSystem(): Promise<BrokerSystem | undefined>;
};

/**
 * Runs one role until it is told to stop; the process then ends by itself, so this never resolves. `start` builds the
 * role's parts, registers how to stop them, and gives its public port (0: none).
 * @throws UsageError (R3)
 */
export async function runRole(
  role: Role,
  options: RoleOptions,
  start: (context: RoleContext) => Promise<number>,
): Promise<never> {
  checkRuntime();
  const lifecycle = new Lifecycle({ clock: systemClock, logger: loggerOf(role, nodeIdOf(role, options), options) });
  return asOneLine(async () => {
    const opened = await openContext(role, options, lifecycle);
    const adminPort = await openAdminPort(opened, options);
    const context = { ...opened, entry: entryMaker(opened, options, adminPort) };
    const port = await start(context);
    await context.lifecycle.whenReady();
    if (context.lifecycle.isReady()) {
      process.stdout.write(readyLine({ role, id: context.id, pid: process.pid, port, adminPort }));
    }
    return new Promise<never>(() => undefined);
  });
}

/** How a role or a tool signs in. @throws UsageError without a password */
export function natsAccess(
  options: Pick<RoleOptions, 'nats' | 'natsCa' | 'natsUser' | 'natsPassword'>,
  standardUser: string,
  incarnation: string,
): NatsAccess {
  const { nats, natsCa, natsUser, natsPassword } = options;
  if (natsPassword === undefined) throw new UsageError('BELFRY_NATS_PASSWORD is missing: the password on the broker');
  const access = { servers: nats, user: natsUser ?? standardUser, password: natsPassword, incarnation };
  return natsCa === undefined ? access : { ...access, ca: natsCa };
}

/** Turns what the operator must mend into a UsageError (R3). */
export async function asOneLine<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const expected = error instanceof BrokerUnusableError || error instanceof ClusterJoinError;
    throw expected ? new UsageError(error.message, { cause: error }) : error;
  }
}

async function openContext(role: Role, options: RoleOptions, lifecycle: Lifecycle): Promise<OpenedContext> {
  const [clock, rng] = [systemClock, systemRng];
  const id = nodeIdOf(role, options);
  const incarnation = makeIncarnation(id, rng);
  const logger = loggerOf(role, id, options);
  endOnBugs(lifecycle);
  lifecycle.listen();
  const access = natsAccess(options, role, incarnation);
  const metrics = createMetrics({ role, id });
  const broker = await openBroker(role, access, { logger, metrics, lifecycle });
  const settings = await mustReadSettings(broker);
  return {
    ...{ role, id, incarnation, clock, rng, logger, metrics, lifecycle, broker, settings },
    connectSystem: () => openSystem(access, options, logger, lifecycle),
  };
}

/** Only workers touch records. Of the lanes, two carry messages: their writes are measured. */
async function openBroker(
  role: Role,
  access: NatsAccess,
  { logger, metrics, lifecycle }: Pick<RoleContext, 'logger' | 'metrics' | 'lifecycle'>,
): Promise<Broker> {
  const { send, send_log } = metrics.queues;
  const sendWaits = new Map([
    ['commands', send],
    ['append', send_log],
    ['append-more', send_log],
  ]);
  const broker = await connectNats({ ...access, clock: systemClock, logger, records: role === 'worker', sendWaits });
  lifecycle.onShutdown('broker', () => broker.close());
  return broker;
}

async function openSystem(
  access: NatsAccess,
  options: RoleOptions,
  logger: Logger,
  lifecycle: Lifecycle,
): Promise<BrokerSystem | undefined> {
  if (options.natsSysPassword === undefined) {
    logger.warn('no_system_account', { effect: 'dead nodes are noticed by their heartbeats only' });
    return undefined;
  }
  const { natsSysUser: user, natsSysPassword: password } = options;
  const system = await connectNatsSystem({ ...access, user, password, clock: systemClock, logger });
  lifecycle.onShutdown('broker_system', () => system.close());
  return system;
}

async function mustReadSettings(broker: Pick<Broker, 'kv'>): Promise<ClusterSettings> {
  const read = await readSettings(broker.kv(BUCKET_CLUSTER));
  switch (read.kind) {
    case 'found':
      return read.settings;
    case 'absent':
      throw new UsageError('the broker is not initialised: run `belfry init` first');
    case 'invalid':
      throw new UsageError(`the cluster's settings are not of this release: ${read.reason}`);
    case 'unavailable':
      throw new UsageError('the broker does not answer, or is not initialised: run `belfry init` first', {
        cause: read.cause,
      });
    default:
      return read satisfies never;
  }
}

async function openAdminPort(context: OpenedContext, options: RoleOptions): Promise<number> {
  const { clock, logger, metrics, lifecycle } = context;
  const { adminHost: host, adminPort: port } = options;
  const listener = await startAdminListener({ host, port, clock, logger, metrics, missing: () => lifecycle.missing() });
  lifecycle.onShutdown('admin_listener', () => listener.stop(0));
  return listener.port;
}

function entryMaker(context: OpenedContext, options: RoleOptions, adminPort: number): RoleContext['entry'] {
  const { id, incarnation, role, clock } = context;
  const { zone, region, adminHost } = options;
  const isAny = adminHost === '0.0.0.0' || adminHost === '::';
  const adminUrl = `http://${isAny ? hostname() : adminHost}:${adminPort}`;
  return ({ weight = 1, publicUrl = '' }) => ({
    ...{ id, incarnation, role, zone, region, weight, publicUrl, adminUrl },
    pid: process.pid,
    version: projectVersion(),
    startedAt: Math.floor(clock.wallMs()),
  });
}

/** A bug that nobody caught: the log says so, the rest drains, the process ends with 1. */
function endOnBugs(lifecycle: Lifecycle): void {
  process.on('uncaughtException', (error) => void lifecycle.fail('uncaught_exception', error));
  process.on('unhandledRejection', (error) => void lifecycle.fail('unhandled_rejection', error));
}

function nodeIdOf(role: Role, options: RoleOptions): NodeId {
  const host =
    hostname()
      .split('.')[0]
      ?.replaceAll(/[^A-Za-z0-9_-]/g, '-') ?? '';
  // The process's number tells two of one machine apart.
  const standard = `${role}-${host.slice(0, 40)}-${process.pid}`;
  return defined(parseNodeId(options.id ?? standard), 'role/node-id-was-checked');
}

function loggerOf(role: Role, id: NodeId, options: RoleOptions): Logger {
  return createLogger({ role, id, level: options.logLevel });
}
