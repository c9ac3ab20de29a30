/**
 * The peers that fan out through redis (socket-io-redis.ts, ws-redis.ts), deployed: redis-server, one process that takes
 * messages in over HTTP (`http`), one that holds the sockets (`sockets`). The same poster as ours posts to it.
 */
import { createRequire } from 'node:module';
import { defined } from '../../platform/assert.ts';
import { UsageError } from '../../platform/config.ts';
import { findServerBinary } from '../../platform/server-binary.ts';
import type { FanoutPoster } from '../fanout-poster.ts';
import { LoadGroup } from '../load-group.ts';
import type { Peer, PeerWork } from '../peer.ts';
import { prepared, type RunContext } from '../scenario.ts';
import type { Wire } from '../subscriber.ts';
import {
  DeployedSide,
  type DeployedPeer,
  type Deployment,
  type Own,
  type Published,
  type PublishWork,
} from './deployed-side.ts';
import { startServer } from '../hosted-server.ts';
import type { RedisPeer } from './redis-peer.ts';

export type RedisPeerSpec = {
  readonly name: string;
  readonly summary: string;
  /** The load file of its two processes: a RedisPeer. */
  readonly server: string;
  readonly packages: readonly string[];
  readonly wire: Wire;
  /** Of its WebSocket URL. */
  readonly path: string;
  readonly notes: readonly string[];
};

const posterConnections = 64;
/** Publish and subscribe only: nothing is saved. All else as redis-server comes. */
const unsaved = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];

export function redisPeer(spec: RedisPeerSpec): Peer {
  const { name, summary, notes } = spec;
  const deployed: DeployedPeer = { name, notes, deploy: (context, work, own) => deploy(spec, context, work, own) };
  return {
    name,
    summary,
    check: () => checkRedisPeer(spec),
    open: (context, work) => prepared(new DeployedSide(context, deployed, work)),
  };
}

/** @throws UsageError, in one line, where something that the peer needs is missing */
function checkRedisPeer({ name, packages }: RedisPeerSpec): void {
  redisServerFor(name);
  for (const wanted of packages) requirePackage(name, wanted);
}

async function deploy(spec: RedisPeerSpec, context: RunContext, work: PeerWork, own: Own): Promise<Deployment> {
  const { channel: room, frame } = work;
  const redis = own(
    await startServer(context, {
      path: redisServerFor(spec.name),
      argsFor: (port) => ['--port', String(port), ...unsaved],
      readyText: 'Ready to accept connections',
    }),
  );
  const http = own(new LoadGroup<RedisPeer>(spec.server, 1, context));
  const sockets = own(new LoadGroup<RedisPeer>(spec.server, 1, context));
  const poster = own(new LoadGroup<FanoutPoster>('./fanout-poster', 1, context));
  const [inlet] = await http.callAll('serveHttp', { redisPort: redis.port, room, frame });
  const [outlet] = await sockets.callAll('serveSockets', { redisPort: redis.port, room });
  return {
    processes: [
      { role: 'redis', pid: redis.pid },
      ...http.pids().map((pid) => ({ role: 'http', pid })),
      ...sockets.pids().map((pid) => ({ role: 'sockets', pid })),
    ],
    load: [poster],
    url: `ws://127.0.0.1:${outlet?.port ?? 0}${spec.path}`,
    wire: spec.wire,
    publish: (messages) => post(poster, `http://127.0.0.1:${inlet?.port ?? 0}/`, room, messages),
  };
}

async function post(
  poster: LoadGroup<FanoutPoster>,
  api: string,
  channel: string,
  work: PublishWork,
): Promise<Published> {
  const target = { api, token: '', channel, connections: posterConnections };
  const [report] = await poster.callAll('post', { ...target, ...work });
  const { acknowledged, highestSeq, failures } = defined(report, 'redis-deployment/one-poster');
  const missing = acknowledged === work.count ? [] : [`${acknowledged} of ${work.count} posts acknowledged`];
  return { lastSeq: highestSeq, failures: [...failures, ...missing] };
}

function redisServerFor(peer: string): string {
  const path = findServerBinary('redis-server');
  if (path !== undefined) return path;
  throw new UsageError(`--peer ${peer} needs a redis-server: put one on the PATH, or run ./scripts/setup.sh --peers`);
}

function requirePackage(peer: string, name: string): void {
  try {
    createRequire(import.meta.url).resolve(name);
  } catch {
    throw new UsageError(`--peer ${peer} needs the package ${name}: install the development dependencies`);
  }
}
