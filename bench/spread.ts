/**
 * `belfry bench spread`: what a message to a channel costs worker and nats-server that many gateways of one region listen
 * to: with a copy in each gateway's own batches, and with one in the region's, which nats-server copies. Where the second
 * becomes the cheaper one is where limits-gateway.ts should switch.
 *
 * D1  The worker is a process of the scenario's own with the code of `belfry worker`; the gateways are connections of one
 *     load process, for real ones would fill the machine: what they cost is not measured.
 * D2  Each point has a worker, gateways and a channel of its own, and both ways in turn.
 */
import { defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import type { ChannelsHost } from './channels-host.ts';
import { LatencyHistogram } from './histogram.ts';
import { LoadGroup } from './load-group.ts';
import { startBroker, type OwnBroker } from './own-broker.ts';
import { totalCpu, type CpuByRole } from './process-meter.ts';
import {
  defineScenario,
  type Detail,
  type Measurement,
  type RunContext,
  type RunResult,
  type Session,
} from './scenario.ts';
import type { SpreadGateways } from './spread-gateways.ts';
import { natsServerOption, textBytesOption } from './server-options.ts';
import { measureStretch } from './stretch.ts';
import { recordOf, type StretchRecord } from './stretch-record.ts';
import { formatNumber } from './table.ts';
import { windowNote } from './window-note.ts';

const warmUpSeconds = 1;
const partitions = 1;

/** Gateways of a region from which on it gets one copy: none has as many, or every one has. */
const ways = { each: 1_000_000, region: 1 } as const;
type Way = keyof typeof ways;

const gatewaysNote = 'the CPU of the gateways is not counted: they are connections of the load';

const options = defineOptions({
  gatewaysMax: {
    value: 'n',
    schema: integerSchema(1, 128).default(32),
    description: 'the most gateways; each point has twice as many as the one before',
  },
  rate: { value: 'n', schema: integerSchema(1, 20_000).default(500), description: 'messages a second' },
  ...textBytesOption,
  ...natsServerOption,
});

type Options = OptionValues<typeof options>;
type Point = {
  readonly gateways: number;
  readonly way: Way;
  readonly posts: number;
  readonly cpu: CpuByRole;
  readonly p99Ms: number;
};

export const spreadScenario = defineScenario({
  name: 'spread',
  summary: 'CPU of a message to a channel of many gateways: a copy each, or one for the region',
  options,
  ownServers: true,
  defaults: { seconds: 3, runs: 1 },
  async open(context, values) {
    return new SpreadSession(
      context,
      values,
      await startBroker(context, { natsServer: values.natsServer, partitions }),
    );
  },
});

class SpreadSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;
  readonly #broker: OwnBroker;
  readonly #failures: string[] = [];
  readonly #stretches: StretchRecord[] = [];
  #points = 0;

  constructor(context: RunContext, values: Options, broker: OwnBroker) {
    this.#context = context;
    this.#options = values;
    this.#broker = broker;
  }

  async run(): Promise<RunResult> {
    const points: Point[] = [];
    for (let gateways = 1; gateways <= this.#options.gatewaysMax; gateways *= 2) {
      for (const way of ['each', 'region'] as const) points.push(await this.#runPoint(gateways, way));
    }
    return {
      measurements: points.map(measurementOf),
      failures: this.#failures.splice(0),
      notes: [windowNote('batches'), crossingNote(points), gatewaysNote],
      stretches: this.#stretches.splice(0),
      details: [tableOf(points)],
    };
  }

  close(): Promise<void> {
    return this.#broker.stop();
  }

  /** D2 */
  async #runPoint(gateways: number, way: Way): Promise<Point> {
    const host = new LoadGroup<ChannelsHost>('./channels-host', 1, this.#context);
    const load = new LoadGroup<SpreadGateways>('./spread-gateways', 1, this.#context);
    this.#points += 1;
    const name = `bench-${this.#points}`;
    try {
      await this.#open(host, load, { name, gateways, way });
      return await this.#measure(host, load, gateways, way);
    } finally {
      await Promise.all([host.stop(), load.stop()]);
    }
  }

  async #open(
    host: LoadGroup<ChannelsHost>,
    load: LoadGroup<SpreadGateways>,
    { name, gateways, way }: { readonly name: string; readonly gateways: number; readonly way: Way },
  ): Promise<void> {
    this.#context.progress.show(`${gateways} gateways, ${way}: warming up`);
    const gateway = { region: name, incarnation: `${name}-0` as never };
    await host.callAll('open', {
      ...{ access: this.#broker.access('worker', `${name}-worker`), gateway, partitions },
      ...{ live: 0, seq: 0, regionBatchGatewaysCount: ways[way] },
    });
    const access = this.#broker.access('gateway', name);
    const seed = this.#context.rng.int(2 ** 31);
    await load.callAll('open', { access, region: name, gateways, seed });
    const { rate, bytes } = this.#options;
    const [warmUp] = await load.callAll('post', { rate, seconds: warmUpSeconds, bytes });
    this.#fail(gateways, way, warmUp?.failures ?? []);
  }

  async #measure(
    host: LoadGroup<ChannelsHost>,
    load: LoadGroup<SpreadGateways>,
    gateways: number,
    way: Way,
  ): Promise<Point> {
    const { rate, bytes } = this.#options;
    const { seconds } = this.#context;
    const processes = [this.#broker.process, ...host.pids().map((pid) => ({ role: 'worker', pid }))];
    const progress = load.progress('posted', 'messages');
    const side = { subject: `${gateways} gateways, ${way}`, processes, load: [load], progress };
    const stretch = await measureStretch({ ...this.#context, profileFolder: undefined }, side, () =>
      load.callAll('post', { rate, seconds, bytes }),
    );
    const [report] = stretch.result;
    if (report === undefined) throw new Error('spread: no report');
    this.#fail(gateways, way, [...report.failures, ...(await load.callAll('late', null)).flat()]);
    this.#stretches.push(recordOf({ ...stretch, hops: [], queues: [] }, { 'due to acknowledged': report.latency }));
    const { p99Ms } = LatencyHistogram.decode(report.latency).percentiles();
    return { gateways, way, posts: report.posts, cpu: stretch.cpu, p99Ms };
  }

  #fail(gateways: number, way: Way, failures: readonly string[]): void {
    this.#failures.push(...failures.map((failure) => `${gateways} gateways, ${way}: ${failure}`));
  }
}

/** Microseconds of CPU per message. */
function costUs({ cpu, posts }: Point, roles?: readonly string[]): number {
  return (totalCpu(cpu, roles) * 1e6) / posts;
}

function measurementOf(point: Point): Measurement {
  const name = `${point.gateways} gateways: CPU of worker and nats-server per message`;
  return { subject: point.way, name, unit: 'us', value: costUs(point) };
}

function pairsOf(points: readonly Point[]): { readonly each: Point; readonly region: Point }[] {
  return points.flatMap((each) => {
    const region = points.find(({ gateways, way }) => way === 'region' && gateways === each.gateways);
    return each.way === 'each' && region !== undefined ? [{ each, region }] : [];
  });
}

/** From the fewest gateways on at which the region's copy is the cheaper one, and at all more. */
function crossingNote(points: readonly Point[]): string {
  const pairs = pairsOf(points);
  const last = pairs.findLastIndex(({ each, region }) => costUs(region) >= costUs(each));
  const first = pairs[last + 1];
  if (first === undefined) return 'a copy for the region was not cheaper with the most gateways that were tried';
  return `a copy for the region is cheaper from ${first.each.gateways} gateways on`;
}

function tableOf(points: readonly Point[]): Detail {
  const heads = ['gateways', 'each: worker', 'nats', 'all', 'region: worker', 'nats', 'all', 'region / each', 'p99 ms'];
  const costs = (point: Point) => [costUs(point, ['worker']), costUs(point, ['nats']), costUs(point)];
  return {
    title: 'CPU per message, us; p99 from due to acknowledged, both ways',
    heads,
    aligns: heads.map(() => 'right' as const),
    rows: pairsOf(points).map(({ each, region }) => [
      ...[each.gateways, ...costs(each), ...costs(region), costUs(region) / costUs(each)].map(formatNumber),
      `${formatNumber(each.p99Ms)}, ${formatNumber(region.p99Ms)}`,
    ]),
  };
}
