/**
 * `belfry bench failover`: how long channels wait when something fails. One `belfry dev` under a steady load of posts, and
 * one fault after the other, each when all is well again: workers killed, frozen, drained and joining, the broker killed.
 *
 * V1  The load is open loop: each channel's posts are due on a fixed schedule, are sent when they are, and again with their
 *     id until acknowledged. It goes on through all faults, and every acknowledgement is checked against the log at the end.
 * V2  Each channel has a post every `channels / rate` seconds (20 ms): what is shorter is not seen as a pause.
 */
import { defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import { makeChannels, makeUsers, type BenchChannel } from './bench-workspace.ts';
import { startDev, type DevInstance } from './dev-instance.ts';
import { FailoverCluster } from './failover-cluster.ts';
import { FailoverFaults, type FaultKind, type FaultRecord } from './failover-faults.ts';
import type { FailoverLoad, FailoverReport } from './failover-load.ts';
import { curvesDetail, curvesOf, curveSpan, curveStretches, timesDetail, type FaultCurve } from './fault-curves.ts';
import { LatencyHistogram } from './histogram.ts';
import { LoadGroup } from './load-group.ts';
import { defineScenario, prepared } from './scenario.ts';
import type { Measurement, RunContext, RunResult, Session } from './scenario.ts';
import { natsServerOption } from './server-options.ts';
import { measureStretch } from './stretch.ts';
import { recordOf } from './stretch-record.ts';
import { formatNumber } from './table.ts';

const count = (most: number, standard: number) => integerSchema(0, most).default(standard);
const options = defineOptions({
  kills: { value: 'n', schema: count(1_000, 10), description: 'workers killed, in each run' },
  freezes: { value: 'n', schema: count(1_000, 3), description: 'workers frozen' },
  drains: { value: 'n', schema: count(1_000, 3), description: 'workers drained, each of which joins again' },
  brokerKills: { value: 'n', schema: count(1_000, 2), description: 'nats-servers killed' },
  workers: { value: 'n', schema: integerSchema(2, 64).default(3), description: 'worker processes' },
  channels: { value: 'n', schema: integerSchema(1, 1_000).default(9), description: 'channels that are posted to' },
  rate: { value: 'n', schema: integerSchema(1, 10_000).default(450), description: 'posts a second, all together' },
  ...natsServerOption,
});
type Options = OptionValues<typeof options>;

const goals: Readonly<Record<FaultKind, { readonly p50Ms?: number; readonly p99Ms: number }>> = {
  'worker killed': { p50Ms: 300, p99Ms: 1_000 },
  'worker frozen': { p99Ms: 2_000 },
  'worker drained': { p99Ms: 100 },
  'worker joined': { p99Ms: 100 },
  'broker killed': { p99Ms: 2_000 },
};
const users = 8;

export const failoverScenario = defineScenario({
  name: 'failover',
  summary: 'how long channels wait when a worker is killed, frozen, drained or joins, or the broker is killed',
  options,
  ownServers: true,
  async open(context, values) {
    const servers = { workers: values.workers, gateways: 1, natsServer: values.natsServer, quiet: true };
    const dev = await startDev(context.clock, context.signal, { ...servers, profileFolder: undefined });
    return prepared(new FailoverSession(context, values, dev));
  },
});

class FailoverSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;
  readonly #instance: DevInstance;
  readonly #load: LoadGroup<FailoverLoad>;
  #cluster: FailoverCluster | undefined;
  #channels: BenchChannel[] = [];

  constructor(context: RunContext, values: Options, instance: DevInstance) {
    this.#context = context;
    this.#options = values;
    this.#instance = instance;
    this.#load = new LoadGroup<FailoverLoad>('./failover-load', 1, context);
  }

  async prepare(): Promise<void> {
    const { access } = this.#instance;
    const { progress } = this.#context;
    const owners = await makeUsers(access, users, progress);
    this.#channels = await makeChannels(access, owners, this.#options.channels, progress);
    this.#cluster = await FailoverCluster.open(this.#context, this.#instance, this.#options.workers);
    await this.#cluster.settled();
  }

  async run(): Promise<RunResult> {
    const cluster = this.#cluster;
    if (cluster === undefined) throw new Error('not prepared');
    const faults = new FailoverFaults(this.#context, cluster, this.#load, this.#channels);
    const { access } = this.#instance;
    const side = { subject: 'belfry', load: [this.#load], successors: () => this.#instance.processes() };
    // Profiles of processes that are killed are never written.
    const unprofiled = { ...this.#context, profileFolder: undefined };
    const stretch = await measureStretch(unprofiled, { ...side, processes: this.#instance.processes() }, async () => {
      await this.#load.callAll('begin', { api: access.api, channels: this.#channels, rate: this.#options.rate });
      return this.#inflict(faults);
    });
    const storeBytes = stretch.result;
    const [report] = await this.#load.callAll('end', null);
    if (report === undefined) throw new Error('failover: no report');
    const curves = curvesOf(
      faults.records,
      [...report.ackedUs].map((us) => us / 1_000),
    );
    const calm = calmLatencies(report, faults.records);
    return {
      measurements: [...measure(faults.records, curves), { ...calmMeasurement, value: calm.percentiles().p99Ms }],
      failures: [...faults.records.flatMap(({ failures }) => failures), ...report.failures],
      notes: storeBytes === 0 ? [curvesNote] : [recoveredNote(storeBytes), curvesNote],
      stretches: [recordOf(stretch, { 'due to acknowledged, no fault': calm.encode() }), ...curveStretches(curves)],
      details: [curvesDetail(curves), timesDetail(faults.records)],
    };
  }

  async close(): Promise<void> {
    await this.#load.stop();
    await this.#cluster?.close();
    await this.#instance.stop();
  }

  /** Gives the size of the broker's store at its last death; 0: it was not killed. */
  async #inflict(faults: FailoverFaults): Promise<number> {
    const { kills, freezes, drains, brokerKills } = this.#options;
    const { progress, clock, signal } = this.#context;
    let storeBytes = 0;
    const plans: readonly (readonly [string, number, (turn: number) => Promise<number | void>])[] = [
      ['killing workers', kills, (turn) => faults.killWorker(turn)],
      ['freezing workers', freezes, (turn) => faults.freezeWorker(turn)],
      ['draining workers', drains, (turn) => faults.drainWorker(turn)],
      ['killing the broker', brokerKills, async () => (storeBytes = await faults.killBroker())],
    ];
    for (const [what, times, inflict] of plans) {
      for (let turn = 0; turn < times; turn += 1) {
        progress.show(`${what}: ${turn + 1} of ${times}`);
        if (!(await clock.sleep(faults.curveLeftMs() + curveSpan.beforeMs, signal))) throw new Error('interrupted');
        await inflict(turn);
      }
    }
    if (!(await clock.sleep(faults.curveLeftMs(), signal))) throw new Error('interrupted');
    return storeBytes;
  }
}

const calmMeasurement = { subject: 'belfry', name: 'any post, no fault: p99', unit: 'ms' } as const;

const curvesNote = 'rates over time: the fault is at 0 s, and every point is a mean over the times that it happened';
const recoveredNote = (bytes: number) => `nats-server had ${formatNumber(Math.round(bytes / 1e5) / 10)} MB to recover`;

function measure(records: readonly FaultRecord[], curves: readonly FaultCurve[]): Measurement[] {
  return curves.flatMap(({ kind, waits }) => {
    const { p50Ms, p99Ms, maxMs } = waits.percentiles();
    const goal = goals[kind];
    const named = (name: string, value: number, atMost?: number): Measurement => ({
      ...{ subject: kind, name, unit: 'ms', value },
      ...(atMost === undefined ? {} : { goal: { atMost } }),
    });
    const planned = kind === 'worker drained' || kind === 'worker joined';
    const own = records.filter((record) => record.kind === kind);
    const refusals = own.reduce((sum, record) => sum + record.refusals, 0);
    const slowest = new LatencyHistogram();
    for (const ms of own.flatMap(({ slowestMs }) => slowestMs)) slowest.record(ms * 1_000);
    return [
      named(planned ? 'pause of a channel, p50' : 'until acknowledged, p50', p50Ms, goal.p50Ms),
      named('  p99', p99Ms, goal.p99Ms),
      named('  longest', maxMs),
      ...(planned ? [] : [named("  a channel's slowest post, p99", slowest.percentiles().p99Ms)]),
      { subject: kind, name: '  posts told to retry', unit: '', value: refusals, ...(planned ? zero : {}) },
      { subject: kind, name: '  times x channels', unit: '', value: waits.count },
    ];
  });
}

const zero = { goal: { atMost: 0 } } as const;

/** What posts took while nothing was going on: the machine's own noise. */
function calmLatencies({ dueUs, ackedUs }: FailoverReport, records: readonly FaultRecord[]): LatencyHistogram {
  const latencies = new LatencyHistogram();
  const isCalm = (dueMs: number) =>
    records.some(({ atMs }) => dueMs >= atMs - curveSpan.beforeMs && dueMs < atMs - curveSpan.stepMs);
  for (const [at, us] of dueUs.entries()) if (isCalm(us / 1_000)) latencies.record((ackedUs[at] ?? us) - us);
  return latencies;
}
