/** A load process of the resume scenario: its share of the sessions, that leave and come back. */
import { systemClock } from '../platform/clock.ts';
import type { BenchUser } from './bench-workspace.ts';
import { LatencyHistogram } from './histogram.ts';
import { HttpConnection } from './http-client.ts';
import { serveLoad } from './load-server.ts';
import { ReturningSession, rtmUrl } from './returning-session.ts';
import type { Cursors } from './session-ledger.ts';

export type ReturnReport = {
  /** From the first rtm.connect to the last session's end of resume. */
  readonly wallMs: number;
  /** Per session, from when it wants back, as all do at once, to hello, and to the end of resume. */
  readonly hello: string;
  readonly done: string;
  readonly events: number;
  /** Times that the servers asked a client to come again: `service_unavailable`, or a close code that says so. */
  readonly again: number;
  readonly failures: readonly string[];
};

export type ResumeSockets = {
  /** All sessions connect at once, from where each was before. */
  readonly arrive: { readonly params: { api: string; users: readonly BenchUser[] }; readonly result: ReturnReport };
  /** Drops every connection; each session keeps its cursors. */
  readonly leave: { readonly params: null; readonly result: null };
  /** What is wrong, given the tail of each stream that matters: every session that is there must stand there. */
  readonly check: { readonly params: { tails: Cursors }; readonly result: readonly string[] };
  readonly returned: { readonly params: null; readonly result: number };
};

/** Calls of rtm.connect at a time; sockets are opened as URLs come. */
const callsMax = 32;
const failuresMax = 20;
const nowMs = (): number => systemClock.monotonicMs();

/** By user id. */
const sessions = new Map<string, ReturningSession>();
let returned = 0;

serveLoad<ResumeSockets>({
  arrive: ({ api, users }) => arrive(api, users),
  leave() {
    for (const session of sessions.values()) session.leave();
    return null;
  },
  check({ tails }) {
    const there = [...sessions.values()].filter(({ isLive }) => isLive);
    const wrong = there.map(({ ledger }) => ledger.failure ?? ledger.missing(tails));
    return wrong.filter((one) => one !== undefined).slice(0, failuresMax);
  },
  returned: () => returned,
});

async function arrive(api: string, users: readonly BenchUser[]): Promise<ReturnReport> {
  const hello = new LatencyHistogram();
  const done = new LatencyHistogram();
  const failures: string[] = [];
  const arrivals: Promise<void>[] = [];
  const startMs = nowMs();
  const coming = users.map((user) => sessionOf(api, user));
  const againBefore = againOf(coming);
  let events = 0;
  let urlsAgain = 0;
  returned = 0;
  const open = async (session: ReturningSession, url: string): Promise<void> => {
    const back = await session.arrive(url);
    if (back === undefined) {
      failures.push('a session could not come back');
      return;
    }
    hello.record((back.helloAtMs - startMs) * 1_000);
    done.record((nowMs() - startMs) * 1_000);
    events += back.events;
    returned += 1;
  };
  const onAgain = () => (urlsAgain += 1);
  await forEachUrl(api, coming, (session, url) => void arrivals.push(open(session, url)), onAgain);
  await Promise.all(arrivals);
  return {
    wallMs: nowMs() - startMs,
    hello: hello.encode(),
    done: done.encode(),
    events,
    again: urlsAgain + againOf(coming) - againBefore,
    failures: failures.slice(0, failuresMax),
  };
}

function sessionOf(api: string, user: BenchUser): ReturningSession {
  const session = sessions.get(user.id) ?? new ReturningSession(api, user);
  sessions.set(user.id, session);
  return session;
}

function againOf(some: readonly ReturningSession[]): number {
  return some.reduce((sum, { again }) => sum + again, 0);
}

async function forEachUrl(
  api: string,
  coming: readonly ReturningSession[],
  use: (session: ReturningSession, url: string) => void,
  onAgain: () => void,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    const connection = new HttpConnection(api);
    for (let session = coming[next++]; session !== undefined; session = coming[next++]) {
      use(session, await rtmUrl(connection, api, session.user.token, onAgain));
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: Math.min(callsMax, coming.length) }, work));
}
