/**
 * `belfry bench append`: acknowledged compare-and-set appends a second of one process. Belfry's RecordStore, then the
 * stock `js.publish` with the same expectation, then that on a connection tuned as ours; in every run, on one server.
 *
 * All: nothing beside a nats-server; the log's own streams with file storage, one append in flight per channel, the same
 * bytes. Each is a process of its own, so its CPU is known; nats-server's is counted for each one's stretch.
 */
import { subjects } from '../broker/subjects.ts';
import { defined } from '../platform/assert.ts';
import { defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import type { AppendLoad, AppendReport, AppendWay } from './append-load.ts';
import { LatencyHistogram } from './histogram.ts';
import { LoadGroup } from './load-group.ts';
import { startBroker, withStreams, type OwnBroker } from './own-broker.ts';
import {
  defineScenario,
  prepared,
  type Measurement,
  type RunContext,
  type RunResult,
  type Session,
} from './scenario.ts';
import { natsServerOption } from './server-options.ts';
import { measureStretch, type Stretch } from './stretch.ts';
import { recordOf } from './stretch-record.ts';
import { windowNote } from './window-note.ts';

const ratioGoal = 4;
const warmUpSeconds = 1;
const ways: readonly AppendWay[] = ['belfry', 'stock', 'stock tuned'];

const options = defineOptions({
  channels: {
    value: 'n',
    schema: integerSchema(1, 4_096).default(256),
    description: 'channels, with one append in flight each',
  },
  partitions: {
    value: 'n',
    schema: integerSchema(1, 32).default(8),
    description: 'log streams, as a cluster in production has; nats-server writes one on one core at a time',
  },
  bytes: { value: 'n', schema: integerSchema(1, 65_536).default(200), description: 'bytes of a record' },
  ...natsServerOption,
});

type Options = OptionValues<typeof options>;
type Side = { readonly way: AppendWay; readonly load: LoadGroup<AppendLoad> };

export const appendScenario = defineScenario({
  name: 'append',
  summary: "acknowledged log appends a second of one process, against the NATS client's own js.publish",
  options,
  ownServers: true,
  async open(context, values) {
    return prepared(new AppendSession(context, values, await startBroker(context, values)));
  },
});

class AppendSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;
  readonly #broker: OwnBroker;
  readonly #sides: readonly Side[];
  #stored = 0;

  constructor(context: RunContext, values: Options, broker: OwnBroker) {
    this.#context = context;
    this.#options = values;
    this.#broker = broker;
    this.#sides = ways.map((way) => ({ way, load: new LoadGroup<AppendLoad>('./append-load', 1, context) }));
  }

  async prepare(): Promise<void> {
    const { channels, bytes, partitions } = this.#options;
    this.#context.progress.show('warming up');
    for (const { way, load } of this.#sides) {
      const seed = this.#context.rng.int(2 ** 31);
      await load.callAll('open', {
        way,
        access: this.#broker.access('worker', 'bench'),
        channels,
        partitions,
        bytes,
        seed,
      });
      await load.callAll('append', { seconds: warmUpSeconds });
    }
    this.#stored = await this.#storedRecords();
  }

  async run(): Promise<RunResult> {
    const stretches = new Map<AppendWay, Stretch<AppendReport>>();
    const failures: string[] = [];
    for (const side of this.#sides) {
      const stretch = await this.#measure(side);
      stretches.set(side.way, stretch);
      failures.push(...stretch.result.failures.map((failure) => `${side.way}: ${failure}`));
      failures.push(...(await this.#checkStored(side.way, stretch.result.appends)));
    }
    return {
      measurements: [...[...stretches].flatMap(([way, stretch]) => measure(way, stretch)), ...ratiosOf(stretches)],
      failures,
      notes: [
        windowNote('appends'),
        `nats-server ${this.#broker.version}, file storage, ${this.#options.partitions} log stream(s); each side alone in its stretch`,
      ],
      stretches: [...stretches.values()].map((one) => recordOf(one, { 'sent to acknowledged': one.result.latency })),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#sides.map(({ load }) => load.stop()));
    await this.#broker.stop();
  }

  async #measure({ way, load }: Side): Promise<Stretch<AppendReport>> {
    const { seconds } = this.#context;
    const processes = [this.#broker.process, ...load.pids().map((pid) => ({ role: 'client', pid }))];
    // No load to watch: the process that appends is what is measured.
    const side = { subject: way, processes, progress: load.progress('appended', 'appends') };
    const context = { ...this.#context, profileFolder: undefined };
    const stretch = await measureStretch(context, side, () => load.callAll('append', { seconds }));
    const [result] = stretch.result;
    if (result === undefined) throw new Error('append: no report');
    return { ...stretch, result };
  }

  /** The stream must have grown by exactly what was acknowledged. */
  async #checkStored(way: AppendWay, appends: number): Promise<string[]> {
    const before = this.#stored;
    this.#stored = await this.#storedRecords();
    const grown = this.#stored - before;
    return grown === appends ? [] : [`${way}: ${appends} appends acknowledged, ${grown} records stored`];
  }

  async #storedRecords(): Promise<number> {
    const partitions = Array.from({ length: this.#options.partitions }, (_, partition) => partition);
    return withStreams(this.#broker, async (streams) => {
      const infos = await Promise.all(partitions.map((partition) => streams.info(subjects.logStreamOf(partition))));
      return infos.reduce((sum, { state }) => sum + state.messages, 0);
    });
  }
}

function measure(subject: string, { result, cpu, seconds }: Stretch<AppendReport>): Measurement[] {
  const { p50Ms, p99Ms } = LatencyHistogram.decode(result.latency).percentiles();
  const perAppendUs = (role: string) => ((cpu.get(role) ?? 0) * 1e6) / result.appends;
  return [
    { subject, name: 'appends acknowledged', unit: '/s', value: result.appends / seconds },
    { subject, name: 'CPU of the process per append', unit: 'us', value: perAppendUs('client') },
    { subject, name: 'CPU of nats-server per append', unit: 'us', value: perAppendUs('nats') },
    { subject, name: 'latency p50', unit: 'ms', value: p50Ms },
    { subject, name: 'latency p99', unit: 'ms', value: p99Ms },
  ];
}

/** Of appends a second, the higher the better; and of the process's CPU per append, which nats-server cannot limit. */
function ratiosOf(stretches: ReadonlyMap<AppendWay, Stretch<AppendReport>>): Measurement[] {
  const of = (way: AppendWay) => defined(stretches.get(way), 'append/every-way-measured', { way });
  const rate = (way: AppendWay) => of(way).result.appends / of(way).seconds;
  const cpu = (way: AppendWay) => (of(way).cpu.get('client') ?? 0) / of(way).result.appends;
  const ratio = (name: string, value: number) => ({ subject: 'ratio', name, unit: 'x', value });
  return [
    { ...ratio('appends, belfry : stock', rate('belfry') / rate('stock')), goal: { atLeast: ratioGoal } },
    ratio('appends, belfry : stock tuned', rate('belfry') / rate('stock tuned')),
    ratio('CPU of the process, stock : belfry', cpu('stock') / cpu('belfry')),
    ratio('CPU of the process, stock tuned : belfry', cpu('stock tuned') / cpu('belfry')),
  ];
}
