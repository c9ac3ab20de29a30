/**
 * `belfry bench fanout`: what a delivery costs. One channel, many sockets, messages on a fixed schedule through the
 * whole path (HTTP, webapp, worker with its durable append, NATS, gateway); then a bare uWebSockets.js process that
 * sends the same bytes to the same clients at the same rate in the same batches. The figure is their ratio.
 *
 * F1  Cost is CPU time from the first post's due time until the last socket has the last message, by role. `fan-out
 *     path` leaves out the webapp, which takes the posts in; `all servers` counts every process.
 * F2  Each socket must get each posted message once, in order; else the run has failed.
 */
import { defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import { limits } from '../platform/limits.ts';
import { joinAll, makeChannels, makeUsers, type BenchChannel } from './bench-workspace.ts';
import { totalCpu, type CpuByRole } from './cpu-meter.ts';
import { checkDelivery, settle, type Delivered } from './fanout-checks.ts';
import { startDev, type DevInstance } from './dev-instance.ts';
import type { FanoutPoster } from './fanout-poster.ts';
import type { FanoutSockets } from './fanout-sockets.ts';
import { LatencyHistogram } from './histogram.ts';
import { LoadGroup } from './load-group.ts';
import { UwsSide } from './peers/uws-side.ts';
import { disturbanceNotes, measureStretch, type Stretch } from './profiled-cpu.ts';
import { defineScenario, type Measurement, type RunContext, type RunResult, type Session } from './scenario.ts';
import { serverOptions } from './server-options.ts';

const ratioGoal = 0.8;
const warmUpSeconds = 2;
const posterConnections = 64;

const options = defineOptions({
  sockets: {
    value: 'n',
    schema: integerSchema(1, 18_000).default(1_000),
    description: 'members, each with one socket',
  },
  rate: {
    value: 'n',
    schema: integerSchema(1, 20_000).default(1_000),
    description: 'messages a second to the channel',
  },
  bytes: { value: 'n', schema: integerSchema(28, 8_000).default(200), description: "bytes of a message's text" },
  peerWindowMs: {
    value: 'ms',
    schema: integerSchema(1, 1_000).default(limits.batchWindowMs),
    description: 'how long the bare uWS process gathers messages for one turn',
  },
  ...serverOptions,
});

type Options = OptionValues<typeof options>;

export const fanoutScenario = defineScenario({
  name: 'fanout',
  summary: 'fan-out of one channel: deliveries per server CPU-second, against a bare uWebSockets.js process',
  options,
  async open(context, values) {
    const dev = await startDev(context.clock, context.signal, { ...values, profileFolder: context.profileFolder });
    const session = new FanoutSession(context, values, dev);
    try {
      await session.prepare();
    } catch (error) {
      await session.close();
      throw error;
    }
    return session;
  },
});

class FanoutSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;
  readonly #instance: DevInstance;
  readonly #sockets: LoadGroup<FanoutSockets>;
  readonly #poster: LoadGroup<FanoutPoster>;
  readonly #peer: UwsSide;
  #channel: BenchChannel = { id: '', token: '' };
  #posted = 0;

  constructor(context: RunContext, values: Options, instance: DevInstance) {
    this.#context = context;
    this.#options = values;
    this.#instance = instance;
    this.#sockets = new LoadGroup<FanoutSockets>('./fanout-sockets', values.loadProcs, context);
    this.#poster = new LoadGroup<FanoutPoster>('./fanout-poster', 1, context);
    this.#peer = new UwsSide(context, values);
  }

  async prepare(): Promise<void> {
    const { dev } = this.#instance;
    const { progress } = this.#context;
    const users = await makeUsers(dev, this.#options.sockets, progress);
    const [channel] = await makeChannels(dev, users, 1, progress);
    if (channel === undefined) throw new Error('fanout: no channel');
    this.#channel = channel;
    await joinAll(dev, users.slice(1), channel.id, progress);
    progress.show('connecting');
    const tokens = users.map(({ token }) => token);
    const mine = (at: number) => tokens.filter((_, index) => index % this.#sockets.size === at);
    await this.#sockets.callEach('connect', (at) => ({ api: dev.api, channel: channel.id, tokens: mine(at) }));
    progress.show('warming up');
    const { failures } = await this.#deliver(warmUpSeconds);
    if (failures.length > 0) throw new Error(`fanout: FAILED while warming up: ${failures[0] ?? ''}`);
    const frame = (await this.#sockets.callAll('sampleFrame', null)).find((sample) => sample !== null);
    if (frame === undefined || frame === null) throw new Error('fanout: no message arrived while warming up');
    await this.#peer.prepare(frame, channel.id);
  }

  async run(): Promise<RunResult> {
    const { seconds } = this.#context;
    const belfry = await measureStretch(this.#context, this.#instance.processes(), () => this.#deliver(seconds));
    const peer = await this.#peer.run(seconds);
    const mine = figuresOf(belfry, ingressRoles);
    const theirs = figuresOf(peer, []);
    return {
      measurements: [...measure('belfry', belfry, mine), ...measure('uws', peer, theirs), ...ratios(mine, theirs)],
      failures: [...failuresOf('belfry', belfry), ...failuresOf('uws', peer)],
      notes: [
        ...this.#sockets.notes(),
        ...this.#peer.notes(),
        windowNote(this.#options),
        ...disturbanceNotes([belfry, peer]),
      ],
      details: belfry.details,
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#sockets.stop(), this.#poster.stop(), this.#peer.close()]);
    await this.#instance.stop();
  }

  /** Posts for so long and waits until every socket has everything. */
  #deliver(seconds: number): Promise<Delivered> {
    const { rate, bytes } = this.#options;
    const count = rate * seconds;
    const firstId = this.#posted;
    this.#posted += count;
    const target = { api: this.#instance.dev.api, token: this.#channel.token, channel: this.#channel.id };
    return this.#sockets.watch('deliveries', 'deliveries', async () => {
      const load = { ...target, connections: posterConnections, bytes, rate, count, firstId };
      const [posted] = await this.#poster.callAll('post', load);
      const failures = [...(posted?.failures ?? [])];
      if (posted?.acknowledged !== count) failures.push(`${posted?.acknowledged ?? 0} of ${count} posts acknowledged`);
      failures.push(...(await settle(this.#context, this.#sockets, posted?.highestSeq ?? 0, this.#options.sockets)));
      const reports = await this.#sockets.callAll('report', null);
      return { reports, failures: [...failures, ...checkDelivery(reports, this.#options.sockets, firstId, count)] };
    });
  }
}

const ingressRoles = ['webapp', 'supervisor'];

type Figures = { readonly deliveries: number; readonly pathCpu: number; readonly allCpu: number };

function figuresOf(stretch: Stretch<Delivered>, ingress: readonly string[]): Figures {
  const deliveries = stretch.result.reports.reduce((sum, report) => sum + report.deliveries, 0);
  const path = [...stretch.cpu.keys()].filter((role) => !ingress.includes(role));
  return { deliveries, pathCpu: totalCpu(stretch.cpu, path), allCpu: totalCpu(stretch.cpu) };
}

function measure(subject: string, stretch: Stretch<Delivered>, figures: Figures): Measurement[] {
  const { deliveries, pathCpu, allCpu } = figures;
  const { reports } = stretch.result;
  const reads = reports.reduce((sum, report) => sum + report.reads, 0);
  const { p50Ms, p99Ms } = LatencyHistogram.merged(reports.map((report) => report.latency)).percentiles();
  const perSecond: Measurement[] = [
    { subject, name: 'deliveries', unit: '/s', value: deliveries / stretch.seconds },
    { subject, name: 'deliveries per CPU-second, fan-out path', unit: '', value: deliveries / pathCpu },
  ];
  if (allCpu !== pathCpu) {
    perSecond.push({ subject, name: 'deliveries per CPU-second, all servers', unit: '', value: deliveries / allCpu });
  }
  return [
    ...perSecond,
    { subject, name: 'messages per read of a socket', unit: '', value: deliveries / reads },
    ...cpuRows(subject, stretch.cpu, stretch.seconds),
    { subject, name: 'latency p50', unit: 'ms', value: p50Ms },
    { subject, name: 'latency p99', unit: 'ms', value: p99Ms },
  ];
}

function cpuRows(subject: string, cpu: CpuByRole, seconds: number): Measurement[] {
  return [...cpu].map(([role, used]) => ({ subject, name: `CPU of ${role}`, unit: 'cores', value: used / seconds }));
}

function ratios(mine: Figures, theirs: Figures): Measurement[] {
  const base = theirs.deliveries / theirs.allCpu;
  const ratio = (cpu: number) => mine.deliveries / cpu / base;
  const subject = 'ratio';
  return [
    {
      subject,
      name: 'belfry : uws, fan-out path',
      unit: 'x',
      value: ratio(mine.pathCpu),
      goal: { atLeast: ratioGoal },
    },
    { subject, name: 'belfry : uws, all servers', unit: 'x', value: ratio(mine.allCpu) },
  ];
}

function failuresOf(subject: string, { result, failures }: Stretch<Delivered>): string[] {
  return [...failures, ...result.failures].map((failure) => `${subject}: ${failure}`);
}

function windowNote({ peerWindowMs }: Options): string {
  return `uws publishes what became due every ${peerWindowMs} ms in one turn; belfry's batches wait at most ${limits.batchWindowMs} ms`;
}
