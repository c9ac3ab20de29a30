/** A load process of the resume scenario: its share of the sessions, that leave and come back. */
import { systemClock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { apiRequest, HttpConnection } from './http-client.ts';
import { LatencyHistogram } from './histogram.ts';
import { serveLoad } from './load-server.ts';
import { ResumeClient, type Cursors } from './resume-client.ts';

export type ReturnReport = {
  /** From the first rtm.connect to the last session's end of resume. */
  readonly wallMs: number;
  /** Per session, from its URL to hello, and to the end of resume. */
  readonly hello: string;
  readonly done: string;
  readonly events: number;
  /** Times that the servers asked a client to come again: `service_unavailable`, or a close code that says so. */
  readonly again: number;
  readonly failures: readonly string[];
};

export type ResumeSockets = {
  /** All sessions connect at once, from where each was before. */
  readonly arrive: { readonly params: { api: string; tokens: readonly string[] }; readonly result: ReturnReport };
  /** Drops every connection; each session keeps its cursors. */
  readonly leave: { readonly params: null; readonly result: null };
  /** What is wrong, given the tail of each stream that matters: every session must stand there. */
  readonly check: { readonly params: { tails: Cursors }; readonly result: readonly string[] };
  readonly returned: { readonly params: null; readonly result: number };
};

/** Calls of rtm.connect at a time; sockets are opened as URLs come. */
const callsMax = 32;
const failuresMax = 20;
const retryMs = 100;
const nowMs = (): number => systemClock.monotonicMs();

const places = new Map<string, Cursors>();
let clients: { readonly token: string; readonly client: ResumeClient }[] = [];
const faults: string[] = [];
let returned = 0;
let again = 0;

serveLoad<ResumeSockets>({
  arrive: ({ api, tokens }) => arrive(api, tokens),
  leave() {
    for (const { token, client } of clients) {
      places.set(token, client.cursors());
      client.close();
    }
    clients = [];
    return null;
  },
  check({ tails }) {
    const wrong = [...faults.splice(0), ...clients.map(({ client }) => client.failure ?? client.missing(tails))];
    return wrong.filter((one) => one !== undefined).slice(0, failuresMax);
  },
  returned: () => returned,
});

async function arrive(api: string, tokens: readonly string[]): Promise<ReturnReport> {
  const hello = new LatencyHistogram();
  const done = new LatencyHistogram();
  const failures: string[] = [];
  const sessions: Promise<void>[] = [];
  const startMs = nowMs();
  let events = 0;
  returned = 0;
  again = 0;
  const open = async (token: string, url: string): Promise<void> => {
    const openedMs = nowMs();
    const resumed = await persist(api, token, url);
    if (resumed === undefined) {
      failures.push('a session could not come back');
      return;
    }
    hello.record((resumed.helloAtMs - openedMs) * 1_000);
    done.record((nowMs() - openedMs) * 1_000);
    events += resumed.events;
    returned += 1;
  };
  await forEachUrl(api, tokens, (token, url) => void sessions.push(open(token, url)));
  await Promise.all(sessions);
  return {
    wallMs: nowMs() - startMs,
    hello: hello.encode(),
    done: done.encode(),
    events,
    again,
    failures: failures.slice(0, failuresMax),
  };
}

/** Comes again, from where it was, as often as a close code says that it may; undefined: in vain. */
async function persist(
  api: string,
  token: string,
  url: string,
): Promise<{ helloAtMs: number; events: number } | undefined> {
  const endMs = nowMs() + limits.benchSettleMs;
  let events = 0;
  for (let next = url; nowMs() < endMs; ) {
    const startMs = nowMs();
    const client = new ResumeClient(places.get(token) ?? {}, nowMs);
    try {
      const { helloMs } = await client.open(next);
      clients.push({ token, client });
      return { helloAtMs: startMs + helloMs, events: events + client.events };
    } catch {
      // Whether it was right to come again shows in what it then gets.
      events += client.events;
      if (client.failure !== undefined) faults.push(client.failure);
      places.set(token, { ...places.get(token), ...client.cursors() });
      again += 1;
      await systemClock.sleep(retryMs);
      const connection = new HttpConnection(api);
      next = await urlFor(connection, api, token);
      connection.close();
    }
  }
  return undefined;
}

async function forEachUrl(
  api: string,
  tokens: readonly string[],
  use: (token: string, url: string) => void,
): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    const connection = new HttpConnection(api);
    for (let token = tokens[next++]; token !== undefined; token = tokens[next++]) {
      use(token, await urlFor(connection, api, token));
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: Math.min(callsMax, tokens.length) }, work));
}

/** As a client does: a server that is busy is asked again. */
async function urlFor(connection: HttpConnection, api: string, token: string): Promise<string> {
  const endMs = nowMs() + limits.benchSettleMs;
  for (;;) {
    const { status, body } = await connection.request(apiRequest(api, 'rtm.connect', token, { resume: '1' }));
    const { url, error } = JSON.parse(body) as { url?: unknown; error?: unknown };
    if (typeof url === 'string') return url;
    if (error !== 'service_unavailable' || nowMs() > endMs) {
      throw new Error(`rtm.connect failed: HTTP ${status} ${body.slice(0, 120)}`);
    }
    again += 1;
    await systemClock.sleep(retryMs);
  }
}
