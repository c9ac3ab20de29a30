/**
 * `belfry bench append`: acknowledged compare-and-set appends a second of one process, Belfry's RecordStore against the
 * stock `js.publish` with the same expectation, one after the other against the same nats-server in every run.
 *
 * Both sides: the log's own stream with file storage, one append in flight per channel, the same bytes. Each is a
 * process of its own, so its CPU is known; nats-server's is counted for each side's stretch.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import { dial, type NatsAccess } from '../broker/nats-dial.ts';
import { subjects } from '../broker/subjects.ts';
import { defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import type { AppendLoad, AppendReport, AppendWay } from './append-load.ts';
import { readNatsPassword } from './dev-file.ts';
import { startDev, type DevInstance } from './dev-instance.ts';
import { LatencyHistogram } from './histogram.ts';
import { LoadGroup } from './load-group.ts';
import { measureStretch, type Stretch } from './profiled-cpu.ts';
import { defineScenario, type Measurement, type RunContext, type RunResult, type Session } from './scenario.ts';
import { natsServerOption } from './server-options.ts';

const ratioGoal = 4;
const warmUpSeconds = 1;
const ways: readonly AppendWay[] = ['belfry', 'stock'];

const options = defineOptions({
  channels: {
    value: 'n',
    schema: integerSchema(1, 4_096).default(256),
    description: 'channels, with one append in flight each',
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
  async open(context, values) {
    // The roles beside the broker idle; one of each is the least that `belfry dev` runs.
    const servers = { workers: 1, gateways: 1, natsServer: values.natsServer, profileFolder: undefined };
    const instance = await startDev(context.clock, context.signal, servers);
    const session = new AppendSession(context, values, instance);
    try {
      await session.prepare();
    } catch (error) {
      await session.close();
      throw error;
    }
    return session;
  },
});

class AppendSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;
  readonly #instance: DevInstance;
  readonly #sides: readonly Side[];
  #stored = 0;

  constructor(context: RunContext, values: Options, instance: DevInstance) {
    this.#context = context;
    this.#options = values;
    this.#instance = instance;
    this.#sides = ways.map((way) => ({ way, load: new LoadGroup<AppendLoad>('./append-load', 1, context) }));
  }

  async prepare(): Promise<void> {
    const { channels, bytes } = this.#options;
    this.#context.progress.show('warming up');
    for (const { way, load } of this.#sides) {
      const seed = this.#context.rng.int(2 ** 31);
      await load.callAll('open', { way, access: this.#access('worker'), channels, bytes, seed });
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
      failures.push(...stretch.failures, ...stretch.result.failures.map((failure) => `${side.way}: ${failure}`));
      failures.push(...(await this.#checkStored(side.way, stretch.result.appends)));
    }
    return {
      measurements: [...[...stretches].flatMap(([way, stretch]) => measure(way, stretch)), ...ratiosOf(stretches)],
      failures,
      notes: [`nats-server ${this.#instance.natsVersion}, file storage, one stream; each side alone in its stretch`],
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#sides.map(({ load }) => load.stop()));
    await this.#instance.stop();
  }

  async #measure({ way, load }: Side): Promise<Stretch<AppendReport>> {
    const { seconds } = this.#context;
    const nats = this.#instance.processes().filter(({ role }) => role === 'nats');
    const processes = [...nats, ...load.pids().map((pid) => ({ role: 'client', pid }))];
    const stretch = await measureStretch({ ...this.#context, profileFolder: undefined }, processes, () =>
      load.watch('appended', `appends (${way})`, () => load.callAll('append', { seconds })),
    );
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
    const connection = await dial(this.#access('admin'), 'check');
    try {
      const manager = await jetstreamManager(connection);
      return (await manager.streams.info(subjects.logStreamOf(0))).state.messages;
    } finally {
      await connection.close();
    }
  }

  #access(user: 'worker' | 'admin'): NatsAccess {
    const { folder, natsPort } = this.#instance;
    const servers = [`nats://127.0.0.1:${natsPort}`];
    return { servers, user, password: readNatsPassword(folder, user), incarnation: 'bench' };
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

function ratiosOf(stretches: ReadonlyMap<AppendWay, Stretch<AppendReport>>): Measurement[] {
  const rate = (way: AppendWay) => (stretches.get(way)?.result.appends ?? 0) / (stretches.get(way)?.seconds ?? 1);
  const value = rate('belfry') / rate('stock');
  return [{ subject: 'ratio', name: 'belfry : stock, appends', unit: 'x', value, goal: { atLeast: ratioGoal } }];
}
