/**
 * Opens connections to nats-server, the same way for every lane and role, and says in one line why it cannot.
 */
import { readFileSync } from 'node:fs';
import {
  AuthorizationError,
  connect,
  ConnectionError,
  type ConnectionOptions,
  type NatsConnection,
  TimeoutError,
} from '@nats-io/transport-node';
import { defined } from '../platform/assert.ts';
import { limits } from '../platform/limits.ts';
import { BrokerUnusableError, clientName } from './broker.ts';

/** The oldest server that we are tested with. */
export const NATS_VERSION_MIN = '2.10.27';
/** Before it, a compare-and-set on a stream with three replicas can have two winners. */
const NATS_VERSION_SAFE = '2.9.21';

export interface NatsAccess {
  readonly servers: readonly string[];
  readonly user: string;
  readonly password: string;
  /** Path of the certificate authority's file; with it connections use TLS. */
  readonly ca?: string;
  /** The process's incarnation: part of its connections' names. */
  readonly incarnation: string;
  /** Absent: `_INBOX_<user>`, which is what nats.conf lets each user subscribe to. */
  readonly inboxPrefix?: string;
}

/** @throws BrokerUnusableError: absent, too old, or our credentials refused. */
export async function dial(access: NatsAccess, lane: string): Promise<NatsConnection> {
  let connection: NatsConnection;
  try {
    connection = await connect(optionsOf(access, lane));
  } catch (cause) {
    throw new BrokerUnusableError(reasonOf(access, cause), { cause });
  }
  const refusal = versionRefusal(`nats-server at ${urlsOf(access)}`, serverOf(connection).version);
  if (refusal === undefined) return connection;
  await connection.close();
  throw new BrokerUnusableError(refusal);
}

/**
 * Looks at every server of the cluster that tells its address: a stream's leader may be any of them. Whoever is away is
 * looked at when a role connects to it.
 * @throws BrokerUnusableError in one line that names the first that is too old.
 */
export async function checkEveryVersion(access: NatsAccess, connection: NatsConnection): Promise<void> {
  const urls = new Set([...access.servers, ...(serverOf(connection).connect_urls ?? [])]);
  const refusals = await Promise.all([...urls].map((url) => refusalAt({ ...access, servers: [url] })));
  const [refusal] = refusals.filter((line) => line !== undefined);
  if (refusal !== undefined) throw new BrokerUnusableError(refusal);
}

async function refusalAt(access: NatsAccess): Promise<string | undefined> {
  try {
    const connection = await connect({ ...optionsOf(access, 'version'), ignoreClusterUpdates: true });
    const { version } = serverOf(connection);
    await connection.close();
    return versionRefusal(`nats-server at ${urlsOf(access)}`, version);
  } catch {
    return undefined;
  }
}

/** In one line why a server of this version is not used; undefined when it is. */
export function versionRefusal(server: string, version: string): string | undefined {
  if (atLeast(version, NATS_VERSION_MIN)) return undefined;
  const why = atLeast(version, NATS_VERSION_SAFE)
    ? 'older ones were never tried'
    : `before ${NATS_VERSION_SAFE} two writers can both win a compare-and-set with three replicas`;
  return `${server} is ${version}; ${NATS_VERSION_MIN} or newer is needed: ${why}`;
}

export function inboxPrefixOf(access: NatsAccess): string {
  return access.inboxPrefix ?? `_INBOX_${access.user}`;
}

/** The servers without any credentials that their URLs may hold: for messages to people. */
export function urlsOf(access: NatsAccess): string {
  return access.servers.map((url) => url.replace(/\/\/[^@/]*@/, '//')).join(', ');
}

export function serverOf(connection: NatsConnection) {
  return defined(connection.info, 'nats-dial/connected-server-has-info');
}

/** True when `version` is `minimum` or newer; a pre-release counts as its release. */
export function atLeast(version: string, minimum: string): boolean {
  const [have, want] = [numbersOf(version), numbersOf(minimum)];
  for (let i = 0; i < want.length; i += 1) {
    const difference = (have[i] ?? 0) - (want[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function numbersOf(version: string): number[] {
  return (version.split('-')[0] ?? '').split('.').map((part) => Number.parseInt(part, 10) || 0);
}

function optionsOf(access: NatsAccess, lane: string): ConnectionOptions {
  return {
    servers: [...access.servers],
    user: access.user,
    pass: access.password,
    name: clientName(access.incarnation, lane),
    inboxPrefix: inboxPrefixOf(access),
    ...(access.ca === undefined ? {} : { tls: { ca: readAuthority(access.ca) } }),
    timeout: limits.natsConnectMs,
    pingInterval: limits.natsPingMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: limits.natsReconnectWaitMs,
    reconnectJitter: limits.natsReconnectJitterMs,
    reconnectJitterTLS: limits.natsReconnectJitterMs,
    // A restarted server may refuse us for a moment; giving up for good is the operator's decision, not the library's.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  };
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new BrokerUnusableError(`the certificate authority's file ${path} cannot be read`, { cause });
  }
}

function reasonOf(access: NatsAccess, cause: unknown): string {
  const urls = urlsOf(access);
  if (cause instanceof BrokerUnusableError) return cause.message;
  if (cause instanceof AuthorizationError)
    return `nats-server at ${urls} refused the user ${access.user} or its password`;
  if (cause instanceof TimeoutError) return `nats-server at ${urls} did not answer within ${limits.natsConnectMs} ms`;
  const detail = cause instanceof ConnectionError || cause instanceof Error ? cause.message : 'no reason given';
  return `no nats-server at ${urls}: ${detail.split('\n')[0] ?? ''}`;
}
