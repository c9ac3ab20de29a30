/**
 * `belfry bench channels`: how many channels one worker holds, and what that does to those who post.
 *
 *   live   so many channels are live in one worker process: addressable, each with its seq and a gateway that listens. They
 *          have no actor: the first command brings it to life from the log;
 *   cold   channels with logs in JetStream that nobody has asked for yet are asked, one after the other;
 *   posts  1,000 posts a second hit random ones of those with logs: nearly every post is its channel's first.
 *
 * The worker is a process of the scenario's own with the code of `belfry worker`, the broker a nats-server of its own.
 */
import { defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import type { GatewayRef } from '../protocol/commands.ts';
import type { Incarnation } from '../protocol/ids.ts';
import type { ChannelsHost, OpenedChannels, Watched } from './channels-host.ts';
import { channelsMax } from './channels-ids.ts';
import type { ChannelsPoster, ColdReport, PostedReport } from './channels-poster.ts';
import { LatencyHistogram } from './histogram.ts';
import { LoadGroup } from './load-group.ts';
import { startBroker, type OwnBroker } from './own-broker.ts';
import {
  defineScenario,
  prepared,
  type Measurement,
  type RunContext,
  type RunResult,
  type Session,
} from './scenario.ts';
import { natsServerOption, textBytesOption } from './server-options.ts';
import { measureStretch } from './stretch.ts';
import { recordOf } from './stretch-record.ts';
import { formatNumber } from './table.ts';

const goals = { liveBytes: 200, delayMs: 20, coldMs: 2 };
const showEveryMs = 500;
const gateway: GatewayRef = { region: 'bench', incarnation: 'bench-gateway' as Incarnation };

const options = defineOptions({
  live: {
    value: 'n',
    schema: integerSchema(1, channelsMax).default(1_000_000),
    description: 'live channels in one worker process',
  },
  logs: {
    value: 'n',
    schema: integerSchema(1, 4_000_000).default(20_000),
    description: 'of these, channels with a log in JetStream',
  },
  records: { value: 'n', schema: integerSchema(1, 256).default(2), description: 'records of each log' },
  partitions: { value: 'n', schema: integerSchema(1, 32).default(1), description: 'log streams' },
  rate: { value: 'n', schema: integerSchema(1, 20_000).default(1_000), description: 'posts a second, to random ones' },
  cold: { value: 'n', schema: integerSchema(1, 10_000).default(500), description: 'cold channels that are asked' },
  ...textBytesOption,
  ...natsServerOption,
});

type Options = OptionValues<typeof options>;

export const channelsScenario = defineScenario({
  name: 'channels',
  summary:
    'live channels of one worker: bytes each, delay of its event loop under posts, time to bring a cold one to life',
  options,
  ownServers: true,
  async open(context, values) {
    return prepared(new ChannelsSession(context, values, await startBroker(context, values)));
  },
});

class ChannelsSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;
  readonly #broker: OwnBroker;
  readonly #host: LoadGroup<ChannelsHost>;
  readonly #poster: LoadGroup<ChannelsPoster>;
  #opened: OpenedChannels | undefined;

  constructor(context: RunContext, values: Options, broker: OwnBroker) {
    this.#context = context;
    this.#options = values;
    this.#broker = broker;
    this.#host = new LoadGroup<ChannelsHost>('./channels-host', 1, context);
    this.#poster = new LoadGroup<ChannelsPoster>('./channels-poster', 1, context);
  }

  async prepare(): Promise<void> {
    const { live, records, partitions } = this.#options;
    const logs = Math.min(this.#options.logs, live);
    const filler = this.#broker.access('worker', 'bench-filler');
    await this.#showing(this.#poster.progress('filled', `of ${logs} logs written`), () =>
      this.#poster.callAll('fill', { access: filler, logs, records, partitions }),
    );
    const worker = this.#broker.access('worker', 'bench-worker');
    [this.#opened] = await this.#showing(this.#host.progress('opened', 'slots opened'), () =>
      this.#host.callAll('open', { access: worker, gateway, partitions, live, seq: records }),
    );
    const access = this.#broker.access('gateway', 'bench-gateway');
    const seed = this.#context.rng.int(2 ** 31);
    await this.#poster.callAll('listen', { access, gateway, logs, records, seed });
  }

  async run(): Promise<RunResult> {
    const { seconds } = this.#context;
    const { rate, cold: count, bytes } = this.#options;
    const opened = only([this.#opened]);
    const cold = only(await this.#poster.callAll('askCold', { count }));
    const processes = [this.#broker.process, ...this.#host.pids().map((pid) => ({ role: 'worker', pid }))];
    const progress = this.#poster.progress('posted', 'posts');
    const side = { subject: 'posts', processes, load: [this.#poster], progress };
    await this.#host.callAll('watch', null);
    const stretch = await measureStretch({ ...this.#context, profileFolder: undefined }, side, () =>
      this.#poster.callAll('post', { rate, seconds, bytes }),
    );
    const posted = only(stretch.result);
    const late = (await this.#poster.callAll('late', null)).flat();
    const watched = only(await this.#host.callAll('watched', null));
    return {
      measurements: [
        ...this.#liveRows(opened),
        ...coldRows(cold),
        ...postRows(posted, watched, stretch.seconds),
        ...actorRows(opened, watched),
        ...[...stretch.cpu].map(([role, cpu]) =>
          row('posts', `CPU of ${role} per post`, 'us', (cpu * 1e6) / posted.posts),
        ),
      ],
      failures: [...cold.failures, ...posted.failures, ...late],
      notes: [this.#shape(opened)],
      stretches: [recordOf(stretch, { 'due to acknowledged': posted.latency })],
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#host.stop(), this.#poster.stop()]);
    await this.#broker.stop();
  }

  /** Shows how far the preparation is while it lasts. */
  async #showing<T>(progress: { noun: string; count(): Promise<number> }, work: () => Promise<T>): Promise<T> {
    const show = async (): Promise<void> =>
      this.#context.progress.show(`${formatNumber(await progress.count())} ${progress.noun}`);
    const timer = this.#context.clock.setInterval(() => void show().catch(() => undefined), showEveryMs);
    try {
      return await work();
    } finally {
      timer.cancel();
    }
  }

  #liveRows({ before, after }: OpenedChannels): Measurement[] {
    const { live } = this.#options;
    const each = (bytes: number) => bytes / live;
    return [
      {
        ...row('live', 'resident bytes of a channel', 'B', each(after.rss - before.rss)),
        goal: { atMost: goals.liveBytes },
      },
      row('live', 'of them JavaScript objects', 'B', each(after.heap - before.heap)),
      row('live', 'of them typed arrays', 'B', each(after.external - before.external)),
    ];
  }

  #shape({ seconds }: OpenedChannels): string {
    const { live, logs, records, partitions, rate } = this.#options;
    const [channels, some] = [formatNumber(live), formatNumber(Math.min(logs, live))];
    const taken = `taken over in ${seconds.toFixed(1)} s`;
    const stored = `${some} of them with logs of ${records} records in ${partitions} stream(s)`;
    return `${channels} live channels, ${taken}; ${stored}, nats-server ${this.#broker.version}; ${rate} posts/s to those`;
  }
}

function coldRows({ cold, warm }: ColdReport): Measurement[] {
  const [first, again] = [LatencyHistogram.decode(cold).percentiles(), LatencyHistogram.decode(warm).percentiles()];
  return [
    { ...row('cold', 'first command, p50', 'ms', first.p50Ms), goal: { atMost: goals.coldMs } },
    row('cold', 'first command, p99', 'ms', first.p99Ms),
    row('cold', 'the same again, p50', 'ms', again.p50Ms),
  ];
}

function postRows({ posts, latency }: PostedReport, watched: Watched, seconds: number): Measurement[] {
  const [delays, posted] = [
    LatencyHistogram.decode(watched.delays).percentiles(),
    LatencyHistogram.decode(latency).percentiles(),
  ];
  return [
    { ...row('posts', "delay of the worker's event loop, p99", 'ms', delays.p99Ms), goal: { atMost: goals.delayMs } },
    row('posts', 'the same, longest', 'ms', delays.maxMs),
    row('posts', 'longest garbage collection', 'ms', watched.gcPauseMaxMs),
    row('posts', 'acknowledged', '/s', posts / seconds),
    row('posts', 'latency p50', 'ms', posted.p50Ms),
    row('posts', 'latency p99', 'ms', posted.p99Ms),
  ];
}

/** What the posts brought to life, and left in the hot tails. */
function actorRows({ after }: OpenedChannels, { actors, memory }: Watched): Measurement[] {
  return [
    row('posts', 'actors in memory after them', '', actors),
    row('posts', 'heap bytes of an actor with its tail', 'B', (memory.heap - after.heap) / actors),
  ];
}

function row(subject: string, name: string, unit: string, value: number): Measurement {
  return { subject, name, unit, value };
}

function only<T>(answers: readonly (T | undefined)[]): T {
  const [answer] = answers;
  if (answer === undefined) throw new Error('channels: no report');
  return answer;
}
