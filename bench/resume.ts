/**
 * `belfry bench resume`: how long clients wait for what they missed. Three measurements on one `belfry dev`:
 *
 *   gap     one session, one channel, a gap of 10,000 events;
 *   wide    one session of 500 channels without a gap, at a gateway that knows none of them, and again at once;
 *   storm   2,000 sessions x 50 channels lose their connections, 200 events each are posted meanwhile, and all come back
 *           at once, while others go on posting.
 *
 * M1  Sessions stay away until the gateway has forgotten them (interestLingerMs): they come back to a cold one, as to
 *     another gateway after theirs died.
 * M2  The storm's channels are shared, as channels are: session s is in channels s, s + step, s + 2 step … of them, so
 *     each channel is in many sessions and no two sessions have the same set.
 * M3  Each session must get each event that it missed once, in order, before the server says that it has caught up.
 * M4  A session's time begins when it wants back: in the storm for all at once, the wait for rtm.connect included.
 */
import { defineOptions, integerSchema, UsageError, type OptionValues } from '../platform/config.ts';
import { limits } from '../platform/limits.ts';
import { callAll } from './api-client.ts';
import { inviteAll, makeChannels, makeUsers, type BenchChannel, type BenchUser } from './bench-workspace.ts';
import type { FanoutPoster } from './fanout-poster.ts';
import { LoadGroup } from './load-group.ts';
import type { PosterOptions } from './open-loop-poster.ts';
import { latenciesOf, merged, ms, postMeasurements, stormMeasurements } from './resume-figures.ts';
import type { ResumeSockets, ReturnReport } from './resume-sockets.ts';
import {
  defineScenario,
  prepared,
  type Measurement,
  type RunContext,
  type RunResult,
  type Session,
} from './scenario.ts';
import { serverOptions } from './server-options.ts';
import { openServers, type Servers } from './servers.ts';
import type { SteadyPoster } from './steady-poster.ts';
import { measureStretch, type Side } from './stretch.ts';
import { recordOf, type StretchRecord } from './stretch-record.ts';

const options = defineOptions({
  gap: { value: 'n', schema: integerSchema(1, 10_000).default(10_000), description: 'events of the one long gap' },
  wide: {
    value: 'n',
    schema: integerSchema(1, 5_000).default(500),
    description: 'channels of the session without a gap',
  },
  sessions: { value: 'n', schema: integerSchema(1, 10_000).default(2_000), description: 'sessions of the storm' },
  perSession: { value: 'n', schema: integerSchema(1, 500).default(50), description: 'channels of each of them' },
  channels: { value: 'n', schema: integerSchema(1, 9_000).default(1_000), description: 'channels that they share' },
  missed: { value: 'n', schema: integerSchema(1, 10_000).default(200), description: 'events that each session misses' },
  rate: { value: 'n', schema: integerSchema(1, 5_000).default(100), description: 'posts a second of others meanwhile' },
  ...serverOptions,
});

type Options = OptionValues<typeof options>;

const gapRate = 2_000;
const textBytes = 100;
const goals = { gapMs: 2_000, wideMs: 300 };
const calmSeconds = 3;
const posterConnections = 64;
const postLatency = 'post due to acknowledged';

export const resumeScenario = defineScenario({
  name: 'resume',
  summary: 'how long clients wait for what they missed: one long gap, many channels, a reconnect storm',
  options,
  async open(context, values) {
    checkOptions(values);
    const servers = await openServers(context, values);
    return prepared(new ResumeSession(context, values, servers));
  },
});

type Part = {
  readonly measurements: readonly Measurement[];
  readonly failures: readonly string[];
  readonly stretches: readonly StretchRecord[];
};

class ResumeSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;
  readonly #servers: Servers;
  /** One group of sessions for each measurement: they come and go by themselves. */
  readonly #storm: LoadGroup<ResumeSockets>;
  readonly #single: LoadGroup<ResumeSockets>;
  readonly #poster: LoadGroup<FanoutPoster>;
  readonly #others: LoadGroup<SteadyPoster>;
  #users: readonly BenchUser[] = [];
  #gapChannel = '';
  #liveChannel = '';
  #stormChannels: readonly BenchChannel[] = [];
  #posted = 0;

  constructor(context: RunContext, values: Options, servers: Servers) {
    this.#context = context;
    this.#options = values;
    this.#servers = servers;
    this.#storm = new LoadGroup<ResumeSockets>('./resume-sockets', values.loadProcs, context);
    this.#single = new LoadGroup<ResumeSockets>('./resume-sockets', 1, context);
    this.#poster = new LoadGroup<FanoutPoster>('./fanout-poster', 1, context);
    this.#others = new LoadGroup<SteadyPoster>('./steady-poster', 1, context);
  }

  /** Users: the storm's sessions, then who posts, then the one with the gap, then the one with many channels. */
  get #owner(): BenchUser {
    return this.#user(this.#options.sessions);
  }
  get #gapUser(): BenchUser {
    return this.#user(this.#options.sessions + 1);
  }
  get #wideUser(): BenchUser {
    return this.#user(this.#options.sessions + 2);
  }

  async prepare(): Promise<void> {
    const { access } = this.#servers;
    const { sessions, channels, wide } = this.#options;
    this.#users = await makeUsers(access, sessions + 3, this.#context.progress);
    const alone = await this.#makeChannels(this.#owner, 'alone', 2);
    [this.#gapChannel = '', this.#liveChannel = ''] = alone.map(({ id }) => id);
    await this.#makeChannels(this.#wideUser, 'wide', wide);
    this.#stormChannels = await this.#makeChannels(this.#owner, 'storm', channels);
    await this.#invite([{ id: this.#gapChannel, users: [this.#gapUser] }]);
    await this.#fillStorm();
    const stay = await this.#storm.callEach('arrive', (at) => ({ api: access.api, users: this.#sessions(at) }));
    const failure = stay.flatMap(({ failures }) => failures)[0];
    if (failure !== undefined) throw new Error(`resume: the sessions could not connect: ${failure}`);
  }

  async run(): Promise<RunResult> {
    const gap = await this.#measureGap();
    const wide = await this.#measureWide();
    const storm = await this.#measureStorm();
    const parts = [gap, wide, storm];
    return {
      measurements: parts.flatMap(({ measurements }) => measurements),
      failures: parts.flatMap(({ failures }) => failures),
      notes: [this.#shape()],
      stretches: parts.flatMap(({ stretches }) => stretches),
      details: storm.details,
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#storm, this.#single, this.#poster, this.#others].map((load) => load.stop()));
    await this.#servers.stop();
  }

  async #measureGap(): Promise<Part> {
    const { gap } = this.#options;
    const user = this.#gapUser;
    await this.#visit(user);
    const lost = await this.#post(this.#gapChannel, gapRate, gap);
    await this.#untilForgotten();
    const stretch = await measureStretch(this.#unprofiled(), this.#side('gap', [this.#single]), () =>
      this.#return(user),
    );
    const report = stretch.result;
    const events = report.events === gap ? [] : [`gap: ${report.events} of ${gap} events came`];
    return {
      measurements: [ms('gap', `${gap} events, rtm.connect to caught up`, report.wallMs, goals.gapMs)],
      failures: [...[...lost, ...report.failures].map((failure) => `gap: ${failure}`), ...events],
      stretches: [recordOf(stretch, { 'wanted back to caught up': report.done })],
    };
  }

  async #measureWide(): Promise<Part> {
    const user = this.#wideUser;
    await this.#visit(user);
    await this.#untilForgotten();
    const stretch = await measureStretch(this.#unprofiled(), this.#side('wide', [this.#single]), async () => {
      const cold = await this.#return(user);
      await this.#single.callAll('leave', null);
      return [cold, await this.#return(user)] as const;
    });
    const [cold, warm] = stretch.result;
    const name = `${this.#options.wide} channels without a gap, rtm.connect to caught up`;
    return {
      measurements: [
        ms('wide', `${name}, cold`, cold.wallMs, goals.wideMs),
        ms('wide', `${name}, warm`, warm.wallMs, goals.wideMs),
      ],
      failures: [...cold.failures, ...warm.failures].map((failure) => `wide: ${failure}`),
      stretches: [
        recordOf({ ...stretch, hops: [], queues: [] }, { 'wanted back to caught up': merged([cold.done, warm.done]) }),
      ],
    };
  }

  async #measureStorm() {
    const { sessions, missed } = this.#options;
    const calm = await this.#measureCalm();
    await this.#storm.callAll('leave', null);
    const tails = await this.#fillGaps();
    await this.#untilForgotten();
    const side = this.#side('storm', [this.#storm, this.#others]);
    const progress = this.#storm.progress('returned', 'sessions back');
    const stretch = await measureStretch(this.#context, { ...side, progress }, () => this.#returnAll());
    const { reports, posts } = stretch.result;
    const failures = [...calm.result.failures, ...posts.failures, ...reports.flatMap((one) => one.failures)];
    const wrong = await this.#storm.callAll('check', { tails });
    const events = reports.reduce((sum, one) => sum + one.events, 0);
    if (events !== sessions * missed) failures.push(`${events} of ${sessions * missed} events came`);
    return {
      measurements: [...stormMeasurements(reports), ...postMeasurements(calm.result.latency, posts.latency)],
      failures: [...failures, ...wrong.flat()].map((failure) => `storm: ${failure}`),
      stretches: [
        recordOf({ ...calm, hops: [], queues: [] }, { [postLatency]: calm.result.latency }),
        recordOf(stretch, { ...latenciesOf(reports), [postLatency]: posts.latency }),
      ],
      details: stretch.details,
    };
  }

  /** What others' posts take before the storm. */
  #measureCalm() {
    const { clock, signal } = this.#context;
    return measureStretch(this.#unprofiled(), this.#side('calm', [this.#others]), async () => {
      await this.#beginPosts();
      if (!(await clock.sleep(calmSeconds * 1_000, signal))) throw new Error('interrupted');
      return this.#endPosts();
    });
  }

  #side(subject: string, load: Side['load'] & object): Side {
    return { subject, processes: this.#servers.processes(), load };
  }

  /** One profile a process: the storm's. */
  #unprofiled(): RunContext {
    return { ...this.#context, profileFolder: undefined };
  }

  /** M4 */
  async #returnAll() {
    const { api } = this.#servers.access;
    await this.#beginPosts();
    const reports = await this.#storm.callEach('arrive', (at) => ({ api, users: this.#sessions(at) }));
    return { reports, posts: await this.#endPosts() };
  }

  /** From here on, others post to a channel of their own at the wanted rate, on one schedule. */
  async #beginPosts(): Promise<void> {
    const { rate } = this.#options;
    await this.#others.callAll('begin', { ...this.#postTarget(this.#liveChannel), rate, firstId: this.#posted });
  }

  async #endPosts() {
    const [report] = await this.#others.callAll('end', null);
    if (report === undefined) throw new Error('resume: no report');
    const { posted, acknowledged, latency, failures } = report;
    this.#posted += posted;
    return { latency, failures: [...failures, ...unacknowledged(acknowledged, posted)] };
  }

  #postTarget(channel: string): PosterOptions {
    return {
      ...{ api: this.#servers.access.api, token: this.#owner.token, channel, connections: posterConnections },
      bytes: textBytes,
    };
  }

  async #post(channel: string, rate: number, count: number): Promise<readonly string[]> {
    const firstId = this.#posted;
    this.#posted += count;
    const [report] = await this.#poster.callAll('post', { ...this.#postTarget(channel), rate, count, firstId });
    return [...(report?.failures ?? []), ...unacknowledged(report?.acknowledged ?? 0, count)];
  }

  /** Connects, so that it has cursors, and goes. */
  async #visit(user: BenchUser): Promise<void> {
    await this.#return(user);
    await this.#single.callAll('leave', null);
  }

  async #return(user: BenchUser): Promise<ReturnReport> {
    const [report] = await this.#single.callAll('arrive', { api: this.#servers.access.api, users: [user] });
    if (report === undefined) throw new Error('resume: no report');
    const failures = [...report.failures, ...(await this.#single.callAll('check', { tails: {} })).flat()];
    return { ...report, failures };
  }

  /** M1 */
  async #untilForgotten(): Promise<void> {
    this.#context.progress.show('waiting until the gateway has forgotten the sessions');
    const awayMs = limits.interestLingerMs + 2_000;
    if (!(await this.#context.clock.sleep(awayMs, this.#context.signal))) throw new Error('interrupted');
  }

  /** The same number of events in every channel of the storm; gives their tails. */
  async #fillGaps(): Promise<Record<string, number>> {
    const { missed, perSession } = this.#options;
    const { api } = this.#servers.access;
    const each = missed / perSession;
    const rounds = Array.from({ length: each }, () => this.#stormChannels.map(({ id }) => id)).flat();
    const calls = rounds.map((channel, at) => ({
      method: 'chat.postMessage',
      token: this.#owner.token,
      fields: { channel, text: `missed ${at} ${'x'.repeat(textBytes)}` },
    }));
    const answers = await callAll(api, calls, (done) =>
      this.#context.progress.show(`posting: ${done} of ${calls.length}`),
    );
    const tails = new Map<string, number>();
    for (const [at, answer] of answers.entries()) {
      const channel = rounds[at] ?? '';
      const { seq } = answer['message'] as { seq?: number };
      tails.set(channel, Math.max(tails.get(channel) ?? 0, seq ?? 0));
    }
    return Object.fromEntries(tails);
  }

  /** M2 */
  async #fillStorm(): Promise<void> {
    const { sessions, perSession, channels } = this.#options;
    const step = Math.max(1, Math.floor(channels / perSession));
    const members = this.#stormChannels.map((): BenchUser[] => []);
    for (let session = 0; session < sessions; session += 1) {
      for (let at = 0; at < perSession; at += 1) members[(session + at * step) % channels]?.push(this.#user(session));
    }
    await this.#invite(members.map((users, at) => ({ id: this.#stormChannels[at]?.id ?? '', users })));
  }

  async #invite(invited: readonly { readonly id: string; readonly users: readonly BenchUser[] }[]): Promise<void> {
    const { token } = this.#owner;
    const invitations = invited.map(({ id, users }) => ({ channel: { id, token }, users }));
    await inviteAll(this.#servers.access, invitations, this.#context.progress);
  }

  #makeChannels(owner: BenchUser, name: string, count: number): Promise<BenchChannel[]> {
    return makeChannels(this.#servers.access, [owner], count, this.#context.progress, name);
  }

  #sessions(at: number): BenchUser[] {
    const sessions = this.#users.slice(0, this.#options.sessions);
    return sessions.filter((_, index) => index % this.#storm.size === at);
  }

  #user(at: number): BenchUser {
    const user = this.#users[at];
    if (user === undefined) throw new Error('resume: no such user');
    return user;
  }

  #shape(): string {
    const { sessions, perSession, channels, missed, rate } = this.#options;
    const shared = Math.round((sessions * perSession) / channels);
    return `storm: ${sessions} sessions x ${perSession} of ${channels} channels (${shared} sessions a channel), ${missed} missed events a session; ${rate} posts/s meanwhile`;
  }
}

/** @throws UsageError: such a storm could not be checked. */
function checkOptions({ missed, perSession, channels }: Options): void {
  if (missed % perSession !== 0)
    throw new UsageError(`--missed ${missed} must be a multiple of --per-session ${perSession}`);
  if (perSession > channels) throw new UsageError(`--per-session ${perSession} must be at most --channels ${channels}`);
}

function unacknowledged(acknowledged: number, posted: number): string[] {
  return acknowledged === posted ? [] : [`${acknowledged} of ${posted} posts acknowledged`];
}
