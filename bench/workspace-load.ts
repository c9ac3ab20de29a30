/** A load process of a workspace: its share of the users, what they do and what their sessions get. */
import { systemClock } from '../platform/clock.ts';
import { SeededRng } from '../platform/rng.ts';
import { actionNames, ActionMeter, type ActionName, type ActionReports } from './action-meter.ts';
import type { BenchUser } from './bench-workspace.ts';
import { serveLoad } from './load-server.ts';
import { machineClock } from './machine-clock.ts';
import { MembershipBook } from './membership-book.ts';
import { PostBook, type PostReport } from './post-book.ts';
import { powerLawWeights } from './power-law.ts';
import { RequestPool } from './request-pool.ts';
import { runSchedule, Schedule } from './schedule.ts';
import type { Cursors } from './session-ledger.ts';
import { WeightedDraw } from './weighted-draw.ts';
import { WorkspaceActions, type Scene } from './workspace-actions.ts';
import { WorkspaceSessions } from './workspace-sessions.ts';

export type WorkspaceShare = {
  /** Which of the load processes this is. */
  readonly at: number;
  readonly api: string;
  readonly users: readonly BenchUser[];
  readonly everybody: readonly string[];
  readonly channels: readonly string[];
  /** By channel: which of `users` are in it. */
  readonly members: readonly (readonly number[])[];
  readonly bytes: number;
  readonly awayMs: number;
  readonly seed: number;
};

export type WorkspaceWork = {
  readonly seconds: number;
  /** Actions a second, of this process. */
  readonly rates: Readonly<Record<ActionName, number>>;
  /** Things happen in the first so many channels … */
  readonly active: number;
  /** … by this power law. */
  readonly exponent: number;
  readonly connections: number;
};

export type WorkspaceReport = {
  readonly actions: ActionReports;
  readonly deliveries: number;
  readonly replayed: number;
  readonly endedByServers: number;
  /** From when a message was due to when a socket got it. */
  readonly latency: string;
  readonly posts: PostReport;
  readonly failures: readonly string[];
};

export type WorkspaceLoad = {
  /** Resolves when every user has a session. */
  readonly open: { readonly params: WorkspaceShare; readonly result: null };
  /** Resolves when everything that was begun is over, but for what is still on its way to the sockets. */
  readonly work: { readonly params: WorkspaceWork; readonly result: null };
  readonly deliveries: { readonly params: null; readonly result: number };
  /** The highest seq that is known of each channel. */
  readonly tails: { readonly params: null; readonly result: Cursors };
  /** How much is still to come until every session is there. */
  readonly behind: { readonly params: { readonly tails: Cursors }; readonly result: number };
  /** Of the last work, checked against the tails. */
  readonly report: { readonly params: { readonly tails: Cursors }; readonly result: WorkspaceReport };
};

const failuresMax = 20;
/** Ids of posts have nine digits; so many for each process. */
const idsPerProcess = 10_000_000;

const machine = machineClock(systemClock);
let scene: Scene | undefined;
let meter = new ActionMeter();
let failures: string[] = [];

function fail(reason: string): void {
  if (failures.length < failuresMax) failures.push(reason);
}

function opened(): Scene {
  if (scene === undefined) throw new Error('workspace-load: not open');
  return scene;
}

serveLoad<WorkspaceLoad>({
  async open(share) {
    scene = makeScene(share);
    await scene.sessions.connectAll();
    if (failures[0] !== undefined) throw new Error(failures[0]);
    return null;
  },
  async work({ seconds, rates, active, exponent, connections }) {
    const { api, rng, sessions } = opened();
    const pool = new RequestPool(api, connections, systemClock);
    const actions = new WorkspaceActions(opened(), pool, new WeightedDraw(powerLawWeights(active, exponent)));
    ({ meter } = actions);
    sessions.begin(meter);
    const weights = actionNames.map((name) => rates[name]);
    const perSecond = weights.reduce((sum, rate) => sum + rate, 0);
    const kinds = new WeightedDraw(weights);
    const schedule = new Schedule(machine.nowUs(), perSecond, Math.round(perSecond * seconds));
    await runSchedule(systemClock, machine, schedule, (_, dueUs) => {
      actions.do(actionNames[kinds.draw(rng)] ?? 'post', dueUs);
    });
    await actions.finish();
    pool.close();
    return null;
  },
  deliveries: () => opened().sessions.deliveries,
  tails: () => opened().posts.tails(),
  behind: ({ tails }) => opened().sessions.behind(tails) + opened().members.underWay,
  report({ tails }) {
    const { sessions, posts } = opened();
    const wrong = [...failures, ...sessions.check(tails)];
    failures = [];
    return {
      ...sessions.report(),
      actions: meter.report(),
      posts: posts.report(),
      failures: wrong.slice(0, failuresMax),
    };
  },
});

function makeScene({
  at,
  api,
  users,
  everybody,
  channels,
  members: seats,
  bytes,
  awayMs,
  seed,
}: WorkspaceShare): Scene {
  const members = new MembershipBook(seats);
  const posts = new PostBook();
  const sessions = new WorkspaceSessions({ api, users, channels }, machine, { members, posts }, fail);
  const rng = new SeededRng(seed);
  let posted = at * idsPerProcess;
  const nextPostId = (): number => (posted += 1);
  return { api, channels, everybody, sessions, members, posts, machine, rng, bytes, awayMs, nextPostId, fail };
}
