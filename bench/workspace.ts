/**
 * A made-up workspace on the servers: users with a session each, channels with members, and work for them that is
 * measured and checked. The mixed and the growth scenario are made of it.
 *
 * V1  Each session must get each message of its channels once and in order, from where it connected, joined or left off;
 *     at the end each stands at its channels' tails, and follows exactly the channels that its user is in.
 */
import { limits } from '../platform/limits.ts';
import { actionNames, perAction, sumActions, type ActionName, type ActionReports } from './action-meter.ts';
import { inviteAll, makeChannels, makeUsers, type BenchUser } from './bench-workspace.ts';
import { LatencyHistogram } from './histogram.ts';
import { LoadGroup } from './load-group.ts';
import { checkPosts } from './post-book.ts';
import type { RunContext } from './scenario.ts';
import type { Servers } from './servers.ts';
import type { Cursors } from './session-ledger.ts';
import { measureStretch, type Stretch } from './stretch.ts';
import type { WorkspaceLoad, WorkspaceReport } from './workspace-load.ts';

export type WorkspaceSpec = {
  /** Begins the names of its users and channels, for there may be another one on the same servers. */
  readonly name: string;
  readonly users: number;
  /** Members of each channel as numbers of users, its creator (user number `at` modulo `users`) first. */
  readonly members: readonly (readonly number[])[];
  readonly bytes: number;
  readonly awayMs: number;
  readonly loadProcs: number;
};

export type Work = {
  readonly rates: Readonly<Record<ActionName, number>>;
  readonly active: number;
  readonly exponent: number;
};

export type Worked = {
  readonly actions: ActionReports;
  readonly deliveries: number;
  readonly replayed: number;
  readonly endedByServers: number;
  /** Encoded. */
  readonly latency: string;
  readonly failures: readonly string[];
};

const connectionsPerProcess = 64;
const pollMs = 20;

export class Workspace {
  readonly #context: RunContext;
  readonly #servers: Servers;
  readonly #spec: WorkspaceSpec;
  readonly #load: LoadGroup<WorkspaceLoad>;

  constructor(context: RunContext, servers: Servers, spec: WorkspaceSpec) {
    this.#context = context;
    this.#servers = servers;
    this.#spec = spec;
    this.#load = new LoadGroup<WorkspaceLoad>('./workspace-load', spec.loadProcs, context);
  }

  async prepare(): Promise<void> {
    const { progress } = this.#context;
    const { name, members } = this.#spec;
    const access = { ...this.#servers.access, prefix: `${this.#servers.access.prefix}-${name}` };
    const users = await makeUsers(access, this.#spec.users, progress);
    const channels = await makeChannels(access, users, members.length, progress);
    const invitations = channels.map((channel, at) => {
      const others = (members[at] ?? []).slice(1);
      return { channel, users: others.flatMap((user) => users[user] ?? []) };
    });
    await inviteAll(access, invitations, progress);
    progress.show('connecting');
    const ids = channels.map(({ id }) => id);
    await this.#load.callEach('open', (at) => this.#share(at, users, ids));
  }

  /** Works for so long, waits until everything has arrived, and checks it (V1). */
  measure(subject: string, seconds: number, work: Work): Promise<Stretch<Worked>> {
    const side = {
      subject,
      processes: this.#servers.processes(),
      load: [this.#load],
      progress: this.#load.progress('deliveries', 'deliveries'),
    };
    return measureStretch(this.#context, side, () => this.work(seconds, work));
  }

  async work(seconds: number, { rates, active, exponent }: Work): Promise<Worked> {
    const mine = perAction((name) => rates[name] / this.#load.size);
    const connections = connectionsPerProcess;
    await this.#load.callAll('work', { seconds, rates: mine, active, exponent, connections });
    const { tails, late } = await this.#settle();
    const reports = await this.#load.callAll('report', { tails });
    return summary(reports, late);
  }

  async close(): Promise<void> {
    await this.#load.stop();
  }

  /** Users are dealt out to the load processes one by one. */
  #share(at: number, users: readonly BenchUser[], channels: readonly string[]) {
    const { size } = this.#load;
    const { members, bytes, awayMs } = this.#spec;
    const seats = members.map((all) => all.filter((user) => user % size === at).map((user) => Math.floor(user / size)));
    return {
      ...{ at, bytes, awayMs, channels, members: seats },
      api: this.#servers.access.api,
      users: users.filter((_, user) => user % size === at),
      everybody: users.map(({ id }) => id),
      seed: this.#context.rng.int(2 ** 31),
    };
  }

  /** Until every session is where its channels are, or that takes too long. */
  async #settle(): Promise<{ readonly tails: Cursors; readonly late: readonly string[] }> {
    const { clock, signal } = this.#context;
    const deadlineMs = clock.monotonicMs() + limits.benchSettleMs;
    for (;;) {
      const tails = highest(await this.#load.callAll('tails', null));
      const behind = (await this.#load.callAll('behind', { tails })).reduce((sum, one) => sum + one, 0);
      if (behind === 0) return { tails, late: [] };
      if (clock.monotonicMs() > deadlineMs) return { tails, late: [`${behind} places never reached their tail`] };
      if (!(await clock.sleep(pollMs, signal))) throw new Error('interrupted');
    }
  }
}

/** No action at all but those given, a second. */
export function ratesOf(given: Partial<Record<ActionName, number>>): Record<ActionName, number> {
  return perAction((name) => given[name] ?? 0);
}

/** How late things were, by what is counted from where to where. */
export function latenciesOf({ latency, actions }: Worked): Record<string, string> {
  const done = actionNames.filter((name) => actions[name].done > 0);
  const named = done.map((name) => [`${name} due to done`, actions[name].latency] as const);
  return { 'post due to delivered': latency, ...Object.fromEntries(named) };
}

function highest(all: readonly Cursors[]): Cursors {
  const tails = new Map<string, number>();
  for (const [channel, seq] of all.flatMap((one) => Object.entries(one))) {
    tails.set(channel, Math.max(tails.get(channel) ?? 0, seq));
  }
  return Object.fromEntries(tails);
}

function summary(reports: readonly WorkspaceReport[], late: readonly string[]): Worked {
  const sum = (of: (report: WorkspaceReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const posts = checkPosts(reports.map((report) => report.posts));
  return {
    actions: sumActions(reports.map((report) => report.actions)),
    deliveries: sum((report) => report.deliveries),
    replayed: sum((report) => report.replayed),
    endedByServers: sum((report) => report.endedByServers),
    latency: LatencyHistogram.merged(reports.map((report) => report.latency)).encode(),
    failures: [...late, ...posts, ...reports.flatMap((report) => report.failures)],
  };
}
