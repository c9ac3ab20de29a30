/**
 * A webapp for tests: real handlers and directory over fake buckets, a clock that stands still, and a command sender
 * whose answers the test scripts. By default every channel is open and takes every post.
 */
import type { Broker } from '../../broker/broker.ts';
import { BUCKET_SECRETS, BUCKET_TOKENS } from '../../broker/subjects.ts';
import type { ClusterInfo } from '../../cluster/cluster-info.ts';
import type { CommandOutcome, CommandSender } from '../../cluster/command-sender.ts';
import { ManualClock } from '../../platform/clock.ts';
import { createMemoryLogger } from '../../platform/logger.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { SeededRng } from '../../platform/rng.ts';
import type { ChannelInfo, StreamCommand } from '../../protocol/commands.ts';
import type { Failure } from '../../protocol/errors.ts';
import type { ChannelMeta } from '../../protocol/events.ts';
import type { ApiRequest, ApiResponse } from '../../protocol/http.ts';
import { parseChannelId, parseIncarnation, parseTeamId, parseUserId, type StreamId } from '../../protocol/ids.ts';
import { createDirectory, type Directory } from '../../webapp/directory.ts';
import type { GatewayNode, WebappSettings } from '../../webapp/method.ts';
import type { RateLimitMode } from '../../webapp/rate-limits.ts';
import { createWebapp } from '../../webapp/webapp.ts';
import { createUser } from '../../webapp/workspace.ts';
import { FakeKeyValue, FakeNews } from './fake-key-value.ts';

export const TEAM = parseTeamId('T0000TEAM1')!;
export const TICKET_SECRET = 'a secret for tickets';

export type Sent = { readonly stream: StreamId; readonly command: StreamCommand };
type Script = (stream: StreamId, command: StreamCommand) => CommandOutcome<unknown> | undefined;

/** Answers what the script does not from a small model: channels that exist, with their members. */
export class ScriptedSender implements CommandSender {
  readonly sent: Sent[] = [];
  script: Script = () => undefined;
  readonly metas = new Map<StreamId, ChannelMeta>();
  #seq = 0;

  toStream: CommandSender['toStream'] = async (stream, command) => {
    this.sent.push({ stream, command });
    return (this.script(stream, command) ?? this.#answer(stream, command)) as never;
  };

  toSlot: CommandSender['toSlot'] = async () => ({
    ok: false,
    failure: { kind: 'retryable', reason: 'no slots here' },
  });

  commands<K extends StreamCommand['kind']>(kind: K): Extract<StreamCommand, { kind: K }>[] {
    return this.sent.flatMap(({ command }) => (command.kind === kind ? [command as never] : []));
  }

  #answer(stream: StreamId, command: StreamCommand): CommandOutcome<unknown> {
    if (command.kind === 'open') return this.#open(stream, command);
    if (command.kind === 'post') return this.#post();
    if (command.kind === 'memberships') return succeed({ channels: [], manualAway: false, seq: 0 });
    if (command.kind !== 'info') return succeed({});
    const meta = this.metas.get(stream);
    return meta === undefined ? fail('channel_not_found') : succeed({ info: infoOf(meta) });
  }

  #open(stream: StreamId, { meta, members }: Extract<StreamCommand, { kind: 'open' }>): CommandOutcome<unknown> {
    const created = !this.metas.has(stream);
    if (created) this.metas.set(stream, meta);
    return succeed({ info: infoOf(meta, members), created });
  }

  #post(): CommandOutcome<unknown> {
    const seq = ++this.#seq;
    return succeed({ seq, ts: 1_700_000_000_000_000 + seq });
  }
}

export const succeed = <T>(result: T): CommandOutcome<T> => ({ ok: true, result });
export const fail = (error: Extract<Failure, { kind: 'rejected' }>['error']): CommandOutcome<never> => ({
  ok: false,
  failure: { kind: 'rejected', error },
});

export function infoOf(meta: ChannelMeta, members: ChannelInfo['members'] = []): ChannelInfo {
  const known = members.length === 0 ? {} : { members };
  return { meta, archived: false, memberCount: Math.max(1, members.length), isMember: true, seq: 1, ...known };
}

export interface World {
  readonly buckets: Readonly<Record<'directory' | 'tokens' | 'secrets', FakeKeyValue>>;
  readonly news: FakeNews;
  readonly clock: ManualClock;
  readonly sender: ScriptedSender;
  readonly directory: Directory;
  readonly log: ReturnType<typeof createMemoryLogger>['lines'];
  /** What rtm.connect may choose from. */
  gateways: GatewayNode[];
  /** One request as it stands; the answer with its parsed body. */
  raw(request: Partial<ApiRequest>): Promise<Answered>;
  /** A form POST. */
  call(method: string, token: string | undefined, args?: Record<string, string>): Promise<Answered>;
  /** Makes a user; gives their id and token. */
  user(name: string): Promise<{ id: string; token: string }>;
  admin(): Promise<string>;
}
export type Answered = ApiResponse & { readonly json: Record<string, unknown> & { ok?: boolean; error?: string } };

export interface WorldOptions {
  readonly rateLimits?: RateLimitMode;
  readonly seed?: number;
  readonly settings?: Partial<WebappSettings>;
  /** Another process's buckets and news, to be a second webapp of the same team. */
  readonly beside?: World;
}

export async function makeWorld(options: WorldOptions = {}): Promise<World> {
  const buckets = options.beside?.buckets ?? {
    ...{ directory: new FakeKeyValue(), tokens: new FakeKeyValue(), secrets: new FakeKeyValue() },
  };
  const byName: Record<string, FakeKeyValue> = { [BUCKET_TOKENS]: buckets.tokens, [BUCKET_SECRETS]: buckets.secrets };
  const news = options.beside?.news ?? new FakeNews();
  const clock = options.beside?.clock ?? new ManualClock();
  const rng = new SeededRng(options.seed ?? (options.beside === undefined ? 1 : 2));
  const { logger, lines } = createMemoryLogger('info');
  const broker = {
    kv: (bucket: string) => byName[bucket] ?? buckets.directory,
    control: news as unknown as Broker['control'],
  };
  const directory = createDirectory({ broker, clock, rng, logger });
  await directory.ready;
  const sender = new ScriptedSender();
  const settings: WebappSettings = {
    team: { id: TEAM, name: 'Acme', domain: 'acme' },
    ticketSecret: TICKET_SECRET,
    publicUrl: 'http://127.0.0.1:8080/',
    region: 'local',
    ...options.settings,
  };
  const webapp = createWebapp({
    ...{ directory, sender, settings, clock, rng, logger },
    nodes: () => world.gateways,
    clusterInfo: () => CLUSTER,
    requestDrain: async (node) => (node.startsWith('w') ? 'accepted' : 'not-found'),
    rateLimits: options.rateLimits ?? 'off',
    metrics: createMetrics({ role: 'webapp', id: 'test', processMetrics: false }),
  });
  const world: World = {
    ...{ buckets, news, clock, sender, directory, log: lines, gateways: [GATEWAY] },
    async raw(request) {
      const whole = { path: '/api/api.test', verb: 'POST', query: '', headers: {}, body: Buffer.alloc(0) };
      const response = await webapp.handle({ ...whole, remoteAddress: () => '127.0.0.1', ...request });
      return { ...response, json: JSON.parse(String(response.body)) as Answered['json'] };
    },
    call(method, token, args = {}) {
      const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const headers = { contentType: 'application/x-www-form-urlencoded', ...authorization };
      return world.raw({ path: `/api/${method}`, headers, body: Buffer.from(new URLSearchParams(args).toString()) });
    },
    async user(name) {
      const made = await createUser(directory, { name });
      if (made.kind !== 'made') throw new Error(`${name}: ${made.kind}`);
      const token = await directory.tokens.issue({ kind: 'user', user: made.user.id, unlimited: false });
      return { id: made.user.id, token: token! };
    },
    admin: async () => (await directory.tokens.issue({ kind: 'admin', unlimited: false }))!,
  };
  return world;
}

const CLUSTER: ClusterInfo = {
  ...{ view: 7, workers: [], gateways: [], webapps: [] },
  slots: {} as ClusterInfo['slots'],
};
export const GATEWAY: GatewayNode = {
  incarnation: parseIncarnation('g1-0000000001')!,
  region: 'local',
  publicUrl: 'ws://127.0.0.1:8081',
  load: 0,
  monotonicMs: 70_000,
};

export const CHANNEL = parseChannelId('C0000000001')!;
export function metaFor(id: string, kind: ChannelMeta['kind'], creator: string, name = id.toLowerCase()): ChannelMeta {
  const channel = { id: parseChannelId(id)!, team: TEAM, kind, name: kind === 'im' ? '' : name };
  return { ...channel, creator: parseUserId(creator)!, created: 1_700_000_000, isGeneral: false };
}
