/**
 * `belfry bench mixed`: a workspace as people use it. Users with a session each, channels whose sizes and whose use follow
 * a power law, and everything that clients do at once, each kind at its own rate on one open-loop schedule: posts, typing,
 * presence, joins and leaves, history, lost connections that come back and resume.
 *
 * X1  A latency counts from when the action was due; a delivery's from when its post was due. A reconnect is due when the
 *     client wants back, and done when it has everything that it missed.
 * X2  Each session must get each message of its channels once and in order, across its reconnects and from its joins to
 *     its leaves; else the run has failed (workspace.ts V1).
 */
import { decimalSchema, defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import { SeededRng } from '../platform/rng.ts';
import { actionNames, type ActionName, type ActionReports } from './action-meter.ts';
import { LatencyHistogram } from './histogram.ts';
import { powerLawSizes } from './power-law.ts';
import {
  checkWarmUp,
  defineScenario,
  prepared,
  type Measurement,
  type RunContext,
  type RunResult,
  type Session,
} from './scenario.ts';
import { serverOptions, textBytesOption } from './server-options.ts';
import { openServers, type Servers } from './servers.ts';
import type { Stretch } from './stretch.ts';
import { recordOf } from './stretch-record.ts';
import { latenciesOf, Workspace, type Work, type Worked } from './workspace.ts';
import { windowNote } from './window-note.ts';
import { planMembers } from './workspace-plan.ts';

const warmUpSeconds = 2;
const channelMembersMin = 2;

const rate = (what: string, usersEach: number) => ({
  value: 'n',
  schema: decimalSchema(0, 100_000).optional(),
  description: `${what} a second (default: one for ${usersEach} users)`,
});

const options = defineOptions({
  users: { value: 'n', schema: integerSchema(2, 18_000).default(500), description: 'users, each with one session' },
  channels: {
    value: 'n',
    schema: integerSchema(1, 100_000).optional(),
    description: 'channels; the first has every user (default: one for two users)',
  },
  exponent: {
    value: 'x',
    schema: decimalSchema(0, 4).default(1),
    description: 'of the power law of the sizes of channels, and of how much happens in each; 0: all alike',
  },
  posts: rate('posts', 10),
  typing: rate('typing frames', 10),
  presence: rate('subscriptions to the presence of 20 users, and queries for it, in turn,', 50),
  joins: rate('joins, and as many leaves,', 100),
  history: rate('pages of history', 50),
  reconnects: rate('lost connections', 100),
  awayMs: { value: 'ms', schema: integerSchema(0, 60_000).default(1_000), description: 'how long they stay away' },
  ...textBytesOption,
  ...serverOptions,
});

type Options = OptionValues<typeof options>;

export const mixedScenario = defineScenario({
  name: 'mixed',
  summary: 'a workspace in use: posts, typing, presence, joins, history and reconnects at once',
  options,
  async open(context, values) {
    const servers = await openServers(context, values);
    return prepared(new MixedSession(context, values, servers));
  },
});

class MixedSession implements Session {
  readonly #context: RunContext;
  readonly #servers: Servers;
  readonly #workspace: Workspace;
  readonly #members: readonly (readonly number[])[];
  readonly #work: Work;

  constructor(context: RunContext, values: Options, servers: Servers) {
    const { users, exponent, channels = Math.ceil(users / 2), bytes, awayMs, loadProcs } = values;
    const sizes = powerLawSizes(channels, exponent, users, channelMembersMin);
    this.#context = context;
    this.#servers = servers;
    this.#members = planMembers(new SeededRng(context.rng.int(2 ** 31)), users, sizes);
    const spec = { name: 'mixed', users, members: this.#members, bytes, awayMs, loadProcs };
    this.#workspace = new Workspace(context, servers, spec);
    this.#work = { rates: actionRates(values), active: channels, exponent };
  }

  async prepare(): Promise<void> {
    await this.#workspace.prepare();
    this.#context.progress.show('warming up');
    const { failures } = await this.#workspace.work(warmUpSeconds, this.#work);
    checkWarmUp(mixedScenario, failures);
  }

  async run(): Promise<RunResult> {
    const stretch = await this.#workspace.measure('belfry', this.#context.seconds, this.#work);
    return {
      measurements: measure(stretch),
      failures: stretch.result.failures,
      notes: [windowNote('deliveries'), this.#shape(), ...endedNotes(stretch.result)],
      stretches: [recordOf(stretch, latenciesOf(stretch.result))],
      details: stretch.details,
    };
  }

  async close(): Promise<void> {
    await this.#workspace.close();
    await this.#servers.stop();
  }

  #shape(): string {
    const sizes = this.#members.map(({ length }) => length).toSorted((a, b) => b - a);
    const seats = sizes.reduce((sum, size) => sum + size, 0);
    const middle = sizes[Math.floor(sizes.length / 2)] ?? 0;
    return `${sizes.length} channels of ${sizes[0] ?? 0} (largest), ${middle} (median) and ${sizes.at(-1) ?? 0} members, ${seats} memberships at the start`;
  }
}

function actionRates(values: Options): Record<ActionName, number> {
  const { users, joins = users / 100 } = values;
  return {
    post: values.posts ?? users / 10,
    typing: values.typing ?? users / 10,
    presence: values.presence ?? users / 50,
    join: joins,
    leave: joins,
    history: values.history ?? users / 50,
    reconnect: values.reconnects ?? users / 100,
  };
}

function endedNotes({ endedByServers }: Worked): string[] {
  return endedByServers === 0 ? [] : [`${endedByServers} sessions were ended by the servers, came again and resumed`];
}

function measure(stretch: Stretch<Worked>): Measurement[] {
  const { subject, seconds, result } = stretch;
  const { deliveries, replayed, latency, actions } = result;
  const { p50Ms, p99Ms } = LatencyHistogram.decode(latency).percentiles();
  return [
    { subject, name: 'deliveries', unit: '/s', value: deliveries / seconds },
    { subject, name: '  of which replayed to who came back', unit: '/s', value: replayed / seconds },
    { subject, name: 'delivery latency p50', unit: 'ms', value: p50Ms },
    { subject, name: 'delivery latency p99', unit: 'ms', value: p99Ms },
    ...actionNames.flatMap((name) => actionFigures(name, actions, seconds)),
  ];
}

function actionFigures(subject: ActionName, actions: ActionReports, seconds: number): Measurement[] {
  const { due, passedOver, done, latency } = actions[subject];
  if (due + passedOver === 0) return [];
  const counts: Measurement[] = [
    { subject, name: 'due', unit: '/s', value: due / seconds },
    { subject, name: 'passed over: nobody could', unit: '/s', value: passedOver / seconds },
  ];
  if (done !== due) counts.push({ subject, name: doneNames[subject] ?? 'answered', unit: '/s', value: done / seconds });
  if (done === 0) return counts;
  const { p50Ms, p99Ms } = LatencyHistogram.decode(latency).percentiles();
  return [
    ...counts,
    { subject, name: 'latency p50', unit: 'ms', value: p50Ms },
    { subject, name: 'latency p99', unit: 'ms', value: p99Ms },
  ];
}

const doneNames: Partial<Record<ActionName, string>> = { typing: 'seen by others' };
