/**
 * `belfry bench posts`: what a durable post costs the servers, from HTTP request to acknowledgement.
 *
 * A closed loop: connections that stay open, each with one post in flight, over many channels; a latency counts from when
 * its post was sent, and there are as many posts as the servers take. The cost is the CPU time of all server
 * processes, nats-server included, divided by the acknowledged posts. Nobody listens: fan-out is another scenario's.
 */
import { defineOptions, integerSchema, type OptionValues, switchSchema, UsageError } from '../platform/config.ts';
import { makeChannels, makeUsers, readHistory, type BenchChannel } from './bench-workspace.ts';
import type { PostsReport } from './closed-loop-poster.ts';
import { startDev, type DevInstance } from './dev-instance.ts';
import { FailoverCluster } from './failover-cluster.ts';
import { LatencyHistogram } from './histogram.ts';
import { LoadGroup } from './load-group.ts';
import { parseText } from './message-text.ts';
import type { PostsLoad } from './posts-load.ts';
import { totalCpu } from './process-meter.ts';
import { queueSums } from './queue-waits.ts';
import {
  checkWarmUp,
  defineScenario,
  prepared,
  type Goal,
  type Measurement,
  type RunContext,
  type RunResult,
  type Session,
} from './scenario.ts';
import { serverOptions, textBytesOption } from './server-options.ts';
import { openServers, type Servers } from './servers.ts';
import { measureStretch, type Stretch } from './stretch.ts';
import { recordOf } from './stretch-record.ts';
import { saturatedP99MsMax } from './sustained-rate.ts';
import { windowNote } from './window-note.ts';

/** Of channels that are warm, all connections busy. */
const goals: Goals = { cpuUs: { atMost: 100 }, p99Ms: { atMost: saturatedP99MsMax } };
const warmUpSeconds = 2;
const closedLoopNote =
  'a closed loop: each connection sends its next post when it has the answer, and a latency counts from when its post was sent';
/** Channels whose log is read back after each run; the others are checked by their acknowledgements. */
const channelsRead = 8;
const historyMessages = 200;

const options = defineOptions({
  connections: {
    value: 'n',
    schema: integerSchema(1, 10_000).default(256),
    description: 'keep-alive connections, one post in flight each',
  },
  channels: { value: 'n', schema: integerSchema(1, 100_000).default(1_000), description: 'channels, drawn at random' },
  cold: {
    schema: switchSchema,
    description:
      'before each run, kill the workers; then post to each channel once: a run ends with its time or its channels',
  },
  users: {
    value: 'n',
    schema: integerSchema(1, 10_000).default(16),
    description: 'users, each the owner of its share of the channels',
  },
  ...textBytesOption,
  ...serverOptions,
});

type Goals = { readonly cpuUs?: Goal; readonly p99Ms?: Goal };

type Options = OptionValues<typeof options>;

export const postsScenario = defineScenario({
  name: 'posts',
  summary: 'durable posts: server CPU per post from HTTP to ack, posts/s, latency',
  options,
  async open(context, values) {
    if (!values.cold) return prepared(new PostsSession(context, values, await openServers(context, values)));
    if (context.target !== undefined) throw new UsageError('--cold kills the workers: it cannot have a --target');
    const { clock, signal, profileFolder } = context;
    const instance = await startDev(clock, signal, { ...values, profileFolder, quiet: true });
    return prepared(new PostsSession(context, values, instance, instance));
  },
});

class PostsSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;
  readonly #servers: Servers;
  /** Of runs that begin cold: they kill its workers. */
  readonly #coldInstance: DevInstance | undefined;
  #cluster: FailoverCluster | undefined;
  readonly #load: LoadGroup<PostsLoad>;
  #channels: BenchChannel[] = [];

  constructor(context: RunContext, values: Options, servers: Servers, coldInstance?: DevInstance) {
    this.#context = context;
    this.#options = values;
    this.#servers = servers;
    this.#coldInstance = coldInstance;
    this.#load = new LoadGroup<PostsLoad>('./posts-load', values.loadProcs, context);
  }

  async prepare(): Promise<void> {
    const { access } = this.#servers;
    const { progress } = this.#context;
    const { connections, bytes, users, channels: count, loadProcs, workers } = this.#options;
    const instance = this.#coldInstance;
    if (instance !== undefined) this.#cluster = await FailoverCluster.open(this.#context, instance, workers);
    const owners = await makeUsers(access, users, progress);
    this.#channels = await makeChannels(access, owners, count, progress);
    await this.#load.callEach('open', (at) => ({
      api: access.api,
      channels: this.#channels.filter((_, index) => index % loadProcs === at),
      connections: share(connections, loadProcs, at),
      bytes,
      seed: this.#context.rng.int(2 ** 31),
    }));
    progress.show('warming up');
    const failures = (await this.#load.callAll('post', { seconds: warmUpSeconds, once: false })).flatMap(
      (report) => report.failures,
    );
    checkWarmUp(postsScenario, failures);
  }

  async run(): Promise<RunResult> {
    const { seconds } = this.#context;
    await this.#cluster?.replaceWorkers();
    const once = this.#cluster !== undefined;
    const side = {
      subject: 'belfry',
      processes: this.#servers.processes(),
      load: [this.#load],
      progress: this.#load.progress('posted', 'posts'),
    };
    const stretch = await measureStretch(this.#context, side, () => this.#load.callAll('post', { seconds, once }));
    return {
      measurements: measure(stretch, once ? {} : goals),
      failures: [...stretch.result.flatMap((report) => report.failures), ...(await this.#checkLogs())],
      notes: [windowNote('posts'), closedLoopNote],
      stretches: [recordOf(stretch, { 'sent to acknowledged': latencyOf(stretch).encode() })],
      details: stretch.details,
    };
  }

  async close(): Promise<void> {
    await this.#load.stop();
    await this.#cluster?.close();
    await this.#servers.stop();
  }

  /** What stands in the log must be what was acknowledged, under the same seq. */
  async #checkLogs(): Promise<string[]> {
    const step = Math.max(1, Math.floor(this.#channels.length / channelsRead));
    const sample = this.#channels.filter((_, index) => index % step === 0).slice(0, channelsRead);
    return (await Promise.all(sample.map((channel) => this.#checkLog(channel)))).flat();
  }

  async #checkLog(channel: BenchChannel): Promise<string[]> {
    const stored = await readHistory(this.#servers.access, channel, historyMessages);
    const ledgers = await this.#load.callAll('ledger', { channel: channel.id });
    const acknowledged = new Map(ledgers.flat());
    const wrong = stored.filter(([seq, text]) => acknowledged.get(seq) !== parseText(text)?.id).length;
    const expected = Math.min(acknowledged.size, historyMessages);
    if (stored.length < expected) return [`${channel.id}: ${stored.length} of ${expected} messages in its history`];
    return wrong === 0 ? [] : [`${channel.id}: ${wrong} messages of its history differ from what was acknowledged`];
  }
}

function latencyOf({ result }: Stretch<readonly PostsReport[]>): LatencyHistogram {
  return LatencyHistogram.merged(result.map((report) => report.latency));
}

function measure(stretch: Stretch<readonly PostsReport[]>, { cpuUs, p99Ms: p99Goal }: Goals): Measurement[] {
  const { cpu, seconds, subject, queues } = stretch;
  const posts = stretch.result.reduce((sum, report) => sum + report.posts, 0);
  const { p50Ms, p99Ms } = latencyOf(stretch).percentiles();
  const perPostUs = (roles?: readonly string[]) => (totalCpu(cpu, roles) * 1e6) / posts;
  const byRole = [...cpu.keys()].toSorted().map((role) => ({
    subject,
    name: `  of which ${role}`,
    unit: 'us',
    value: perPostUs([role]),
  }));
  return [
    { subject, name: 'posts acknowledged', unit: '/s', value: posts / seconds },
    { subject, name: 'server CPU per post', unit: 'us', value: perPostUs(), ...(cpuUs && { goal: cpuUs }) },
    ...byRole,
    { subject, name: 'latency p50', unit: 'ms', value: p50Ms },
    { subject, name: 'latency p99', unit: 'ms', value: p99Ms, ...(p99Goal && { goal: p99Goal }) },
    { subject, name: 'server CPU in use', unit: 'cores', value: totalCpu(cpu) / seconds },
    ...queueSums(subject, queues),
  ];
}

/** The size of part `at` of `whole` cut into `parts`. */
function share(whole: number, parts: number, at: number): number {
  return Math.floor(whole / parts) + (at < whole % parts ? 1 : 0);
}
