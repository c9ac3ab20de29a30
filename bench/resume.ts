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
 */
import { defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import { limits } from '../platform/limits.ts';
import { callAll } from './api-client.ts';
import { inviteAll, makeUsers, type BenchUser } from './bench-workspace.ts';
import type { CpuByRole } from './process-meter.ts';
import type { FanoutPoster } from './fanout-poster.ts';
import { LatencyHistogram, type Percentiles } from './histogram.ts';
import { LoadGroup } from './load-group.ts';
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
const goals = { gapMs: 2_000, wideMs: 300, stormMs: 10_000 };
const calmSeconds = 3;

export const resumeScenario = defineScenario({
  name: 'resume',
  summary: 'how long clients wait for what they missed: one long gap, many channels, a reconnect storm',
  options,
  async open(context, values) {
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
  #users: readonly BenchUser[] = [];
  #gapChannel = '';
  #liveChannel = '';
  #stormChannels: readonly string[] = [];
  #posted = 0;

  constructor(context: RunContext, values: Options, servers: Servers) {
    this.#context = context;
    this.#options = values;
    this.#servers = servers;
    this.#storm = new LoadGroup<ResumeSockets>('./resume-sockets', values.loadProcs, context);
    this.#single = new LoadGroup<ResumeSockets>('./resume-sockets', 1, context);
    this.#poster = new LoadGroup<FanoutPoster>('./fanout-poster', 1, context);
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
    [this.#gapChannel = '', this.#liveChannel = ''] = await this.#makeChannels(this.#owner, 'alone', 2);
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
    await Promise.all([this.#storm.stop(), this.#single.stop(), this.#poster.stop()]);
    await this.#servers.stop();
  }

  async #measureGap(): Promise<Part> {
    const { gap } = this.#options;
    const user = this.#gapUser;
    await this.#visit(user);
    await this.#post(this.#gapChannel, gapRate, gap);
    await this.#untilForgotten();
    // One profile a process: the storm's.
    const unprofiled = { ...this.#context, profileFolder: undefined };
    const stretch = await measureStretch(unprofiled, this.#side('gap', this.#single), () => this.#return(user));
    const report = stretch.result;
    const events = report.events === gap ? [] : [`gap: ${report.events} of ${gap} events came`];
    return {
      measurements: [
        ms('gap', `${gap} events, from the URL`, report.wallDoneMs, goals.gapMs),
        ...cpuRows('gap', stretch.cpu),
      ],
      failures: [...report.failures.map((failure) => `gap: ${failure}`), ...events],
      stretches: [recordOf(stretch, { 'URL to caught up': report.done })],
    };
  }

  async #measureWide(): Promise<Part> {
    const user = this.#wideUser;
    await this.#visit(user);
    await this.#untilForgotten();
    const cold = await this.#return(user);
    await this.#single.callAll('leave', null);
    const warm = await this.#return(user);
    const name = `${this.#options.wide} channels without a gap, from the URL`;
    return {
      measurements: [
        ms('wide', `${name}, cold`, cold.wallDoneMs, goals.wideMs),
        ms('wide', `${name}, warm`, warm.wallDoneMs, goals.wideMs),
      ],
      failures: [...cold.failures, ...warm.failures].map((failure) => `wide: ${failure}`),
      stretches: [],
    };
  }

  async #measureStorm() {
    const { sessions, missed } = this.#options;
    const calm = await this.#postUntil(this.#context.clock.sleep(calmSeconds * 1_000, this.#context.signal));
    await this.#storm.callAll('leave', null);
    const tails = await this.#fillGaps();
    await this.#untilForgotten();
    const stretch = await measureStretch(this.#context, this.#side('storm', this.#storm), () => this.#returnAll());
    const { reports, posts } = stretch.result;
    const failures = [...calm.failures, ...posts.failures, ...reports.flatMap((one) => one.failures)];
    const wrong = await this.#storm.callAll('check', { tails });
    const events = reports.reduce((sum, one) => sum + one.events, 0);
    if (events !== sessions * missed) failures.push(`${events} of ${sessions * missed} events came`);
    return {
      measurements: [
        ...stormMeasurements(reports),
        ...postMeasurements(calm.latency, posts.latency),
        ...cpuRows('storm', stretch.cpu),
      ],
      failures: [...failures, ...wrong.flat()].map((failure) => `storm: ${failure}`),
      stretches: [recordOf(stretch, latenciesOf(reports))],
      details: stretch.details,
    };
  }

  #side(subject: string, sessions: LoadGroup<ResumeSockets>): Side {
    const load = [sessions, this.#poster];
    const progress = sessions.progress('returned', 'sessions back');
    return { subject, processes: this.#servers.processes(), load, progress };
  }

  async #returnAll() {
    const { api } = this.#servers.access;
    const back = this.#storm.callEach('arrive', (at) => ({ api, users: this.#sessions(at) }));
    const posts = await this.#postUntil(back);
    return { reports: await back, posts };
  }

  /** Posts to a channel of its own at the wanted rate until `end` settles; whole seconds, so a little beyond. */
  async #postUntil(end: Promise<unknown>) {
    const latencies: string[] = [];
    const failures: string[] = [];
    let ended = false;
    void end.finally(() => (ended = true)).catch(() => undefined);
    while (!ended) {
      const { latency, failures: failed } = await this.#post(this.#liveChannel, this.#options.rate, this.#options.rate);
      latencies.push(latency);
      failures.push(...failed);
    }
    return { latency: LatencyHistogram.merged(latencies).percentiles(), failures };
  }

  async #post(channel: string, rate: number, count: number) {
    const firstId = this.#posted;
    this.#posted += count;
    const target = { api: this.#servers.access.api, token: this.#owner.token, channel, connections: 64 };
    const [report] = await this.#poster.callAll('post', { ...target, bytes: textBytes, rate, count, firstId });
    const failures = [...(report?.failures ?? [])];
    if (report?.acknowledged !== count) failures.push(`${report?.acknowledged ?? 0} of ${count} posts acknowledged`);
    return { latency: report?.latency ?? '', failures };
  }

  /** Connects, so that it has cursors, and goes. */
  async #visit(user: BenchUser): Promise<void> {
    await this.#return(user);
    await this.#single.callAll('leave', null);
  }

  async #return(user: BenchUser): Promise<ReturnReport & { readonly wallDoneMs: number }> {
    const [report] = await this.#single.callAll('arrive', { api: this.#servers.access.api, users: [user] });
    if (report === undefined) throw new Error('resume: no report');
    const failures = [...report.failures, ...(await this.#single.callAll('check', { tails: {} })).flat()];
    return { ...report, failures, wallDoneMs: LatencyHistogram.decode(report.done).percentiles().maxMs };
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
    const each = Math.round(missed / perSession);
    const rounds = Array.from({ length: each }, () => this.#stormChannels).flat();
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
    await this.#invite(members.map((users, at) => ({ id: this.#stormChannels[at] ?? '', users })));
  }

  async #invite(invited: readonly { readonly id: string; readonly users: readonly BenchUser[] }[]): Promise<void> {
    const { token } = this.#owner;
    const invitations = invited.map(({ id, users }) => ({ channel: { id, token }, users }));
    await inviteAll(this.#servers.access, invitations, this.#context.progress);
  }

  async #makeChannels({ token }: BenchUser, name: string, count: number): Promise<string[]> {
    const calls = Array.from({ length: count }, (_, at) => ({
      method: 'conversations.create',
      token,
      fields: { name: `${name}-${at}` },
    }));
    const show = (done: number) => this.#context.progress.show(`making channels: ${done} of ${count}`);
    const answers = await callAll(this.#servers.access.api, calls, show);
    return answers.map((answer) => String((answer['channel'] as { id?: unknown }).id));
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

function cpuRows(subject: string, cpu: CpuByRole): Measurement[] {
  return [...cpu].map(([role, used]) => ({ subject, name: `CPU of ${role}`, unit: 's', value: used }));
}

function ms(subject: string, name: string, value: number, atMost?: number): Measurement {
  return { subject, name, unit: 'ms', value, ...(atMost === undefined ? {} : { goal: { atMost } }) };
}

function latenciesOf(reports: readonly ReturnReport[]) {
  return {
    'URL to hello': LatencyHistogram.merged(reports.map((one) => one.hello)).encode(),
    'URL to caught up': LatencyHistogram.merged(reports.map((one) => one.done)).encode(),
  };
}

function stormMeasurements(reports: readonly ReturnReport[]): Measurement[] {
  const latencies = latenciesOf(reports);
  const hello = LatencyHistogram.decode(latencies['URL to hello']).percentiles();
  const done = LatencyHistogram.decode(latencies['URL to caught up']).percentiles();
  return [
    ms('storm', 'all resumed', Math.max(...reports.map(({ wallMs }) => wallMs)), goals.stormMs),
    ms('storm', 'to hello, p50', hello.p50Ms),
    ms('storm', 'to hello, p99', hello.p99Ms),
    ms('storm', 'to the end of resume, p50', done.p50Ms),
    ms('storm', 'to the end of resume, p99', done.p99Ms),
    {
      subject: 'storm',
      name: 'asked to come again',
      unit: '',
      value: reports.reduce((sum, one) => sum + one.again, 0),
    },
  ];
}

function postMeasurements(calm: Percentiles, during: Percentiles): Measurement[] {
  return [
    ms('posts', 'before, p50', calm.p50Ms),
    ms('posts', 'before, p99', calm.p99Ms),
    ms('posts', 'during the storm, p50', during.p50Ms),
    ms('posts', 'during the storm, p99', during.p99Ms),
    ms('posts', 'during the storm, longest', during.maxMs),
  ];
}
