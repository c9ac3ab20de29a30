/**
 * `belfry bench growth`: whether a delivery becomes dearer as things grow: members of a channel, active channels,
 * gateways, workers, each by itself (growth-plan.ts), at a load that stays the same. Every message is checked (workspace.ts V1).
 */
import { z } from 'zod';
import { defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import { growthMeasurements, growthTables, measuredOf, type Measured } from './growth-figures.ts';
import { axisNames, growthPlan, type AxisName, type PlannedWorkspace, type Point, type Stage } from './growth-plan.ts';
import type { CpuByRole } from './process-meter.ts';
import { defineScenario, type RunContext, type RunResult, type Session } from './scenario.ts';
import { natsServerOption, textBytesOption } from './server-options.ts';
import { openServers, type Servers } from './servers.ts';
import { measureStretch } from './stretch.ts';
import { recordOf, type StretchRecord } from './stretch-record.ts';
import { windowNote } from './window-note.ts';
import { latenciesOf, ratesOf, Workspace } from './workspace.ts';

const warmUpSeconds = 1;
const idleSeconds = 2;

const axesSchema = z
  .string()
  .default(axisNames.join(','))
  .transform((text) => text.split(','))
  .refine(
    (names) => names.every((name) => axisNames.some((axis) => axis === name)),
    `must be of ${axisNames.join(', ')}`,
  )
  .transform((names) => axisNames.filter((axis) => names.includes(axis)));

const upTo = (what: string, max: number, standard: number) => ({
  value: 'n',
  schema: integerSchema(1, max).default(standard),
  description: `the most ${what}`,
});

const options = defineOptions({
  axes: { value: 'names', schema: axesSchema, description: 'what grows, with commas between' },
  membersMax: upTo('members of one channel', 18_000, 1_000),
  channelsMax: upTo('active channels', 100_000, 1_000),
  gatewaysMax: upTo('gateways', 16, 4),
  workersMax: upTo('workers', 16, 4),
  deliveries: {
    value: 'n',
    schema: integerSchema(100, 1_000_000).default(20_000),
    description: 'deliveries a second where one channel is measured',
  },
  posts: {
    value: 'n',
    schema: integerSchema(1, 20_000).default(500),
    description: 'posts a second where many channels are',
  },
  channelMembers: { value: 'n', schema: integerSchema(1, 100).default(4), description: 'members of each of those' },
  ...textBytesOption,
  loadProcs: { value: 'n', schema: integerSchema(1, 64).default(1), description: 'processes that make the load' },
  ...natsServerOption,
});

type Options = OptionValues<typeof options>;

export const growthScenario = defineScenario({
  name: 'growth',
  summary: 'CPU per delivery as members, channels, gateways and workers grow',
  options,
  ownServers: true,
  defaults: { seconds: 2, runs: 1 },
  open: (context, values) => Promise.resolve(new GrowthSession(context, values)),
});

class GrowthSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;
  readonly #stretches: StretchRecord[] = [];
  readonly #failures: string[] = [];
  readonly #measured: Measured[] = [];

  constructor(context: RunContext, values: Options) {
    this.#context = context;
    this.#options = values;
  }

  async run(): Promise<RunResult> {
    for (const stage of growthPlan(this.#options)) await this.#runStage(stage);
    const measured = this.#measured.splice(0);
    return {
      measurements: growthMeasurements(measured),
      failures: this.#failures.splice(0),
      notes: [windowNote('deliveries'), costNote],
      stretches: this.#stretches.splice(0),
      details: growthTables(measured),
    };
  }

  /** Nothing: each stage ends what it began. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  async #runStage({ workers, gateways, workspaces }: Stage): Promise<void> {
    const { progress } = this.#context;
    progress.show(`starting servers: ${workers} workers, ${gateways} gateways`);
    const servers = await openServers(this.#context, { workers, gateways, natsServer: this.#options.natsServer });
    try {
      progress.show('looking at idle servers');
      const idle = await this.#idleCores(servers);
      for (const workspace of workspaces) await this.#runWorkspace(servers, workspace, idle);
    } finally {
      await servers.stop();
    }
  }

  /** Cores that each role uses when nobody says anything. */
  async #idleCores(servers: Servers): Promise<CpuByRole> {
    const { clock, signal } = this.#context;
    const side = { subject: 'idle', processes: servers.processes() };
    const work = () => clock.sleep(idleSeconds * 1_000, signal);
    const unprofiled = { ...this.#context, profileFolder: undefined };
    const { cpu, seconds, result } = await measureStretch(unprofiled, side, work);
    if (!result) throw new Error('interrupted');
    return new Map([...cpu].map(([role, used]) => [role, used / seconds]));
  }

  async #runWorkspace(servers: Servers, planned: PlannedWorkspace, idle: CpuByRole): Promise<void> {
    const { bytes, loadProcs } = this.#options;
    const workspace = new Workspace(this.#context, servers, { ...planned, bytes, loadProcs, awayMs: 0 });
    try {
      await workspace.prepare();
      for (const point of planned.points) await this.#runPoint(workspace, point, idle);
    } finally {
      await workspace.close();
    }
  }

  async #runPoint(workspace: Workspace, point: Point, idle: CpuByRole): Promise<void> {
    const { axis, value, posts, active } = point;
    const subject = `${value} ${nounOf(axis, value)}`;
    const work = { rates: ratesOf({ post: posts }), active, exponent: 0 };
    this.#context.progress.show(`${subject}: warming up`);
    const warmUp = await workspace.work(warmUpSeconds, work);
    const stretch = await workspace.measure(subject, this.#context.seconds, work);
    const failures = [...warmUp.failures, ...stretch.result.failures];
    this.#failures.push(...failures.map((failure) => `${subject}: ${failure}`));
    this.#measured.push(measuredOf(point, stretch, idle));
    // Latency by hop at every point would bury the table.
    this.#stretches.push(recordOf({ ...stretch, hops: [], queues: [] }, latenciesOf(stretch.result)));
  }
}

function nounOf(axis: AxisName, value: number): string {
  return value === 1 ? axis.slice(0, -1) : axis;
}

const costNote =
  'CPU per delivery is of all servers, beyond what the same servers use while nobody says anything (idle cores)';
