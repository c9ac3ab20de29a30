/** A user's session over all of its connections: fetches a URL, connects, resumes, and comes again as a client does. */
import { systemClock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { BenchUser } from './bench-workspace.ts';
import { apiRequest, HttpConnection } from './http-client.ts';
import { ResumeClient, type FrameSink } from './resume-client.ts';
import { SessionLedger } from './session-ledger.ts';

export type Returned = {
  /** When hello came, on the process's monotonic clock. */
  readonly helloAtMs: number;
  /** Of all attempts. */
  readonly events: number;
};

const retryMs = 100;
const nowMs = (): number => systemClock.monotonicMs();

export class ReturningSession {
  readonly user: BenchUser;
  readonly ledger = new SessionLedger();
  readonly #api: string;
  readonly #sink: FrameSink;
  #client: ResumeClient | undefined;
  #again = 0;

  constructor(api: string, user: BenchUser, sink: FrameSink = {}) {
    this.#api = api;
    this.user = user;
    this.#sink = sink;
  }

  get isLive(): boolean {
    return this.#client !== undefined;
  }

  /** How often it was asked to come again: `service_unavailable`, or an end before it was live. */
  get again(): number {
    return this.#again;
  }

  /** Connects anew, to `url` first if there is one, until it has caught up; undefined: in vain. */
  async arrive(url?: string): Promise<Returned | undefined> {
    this.leave();
    const endMs = nowMs() + limits.benchSettleMs;
    let events = 0;
    for (let next = url ?? (await this.#fetchUrl()); nowMs() < endMs; next = await this.#fetchUrl()) {
      const startMs = nowMs();
      const client = new ResumeClient(this.user.id, this.ledger, nowMs, this.#sink);
      try {
        const { helloMs, events: last } = await client.open(next);
        this.#client = client;
        return { helloAtMs: startMs + helloMs, events: events + last };
      } catch {
        // Whether it was right to come again shows in what it then gets.
        events += client.events;
        this.#again += 1;
        await systemClock.sleep(retryMs);
      }
    }
    return undefined;
  }

  /** Drops the connection; where it stood is kept. */
  leave(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  /** Nothing while it is not live. */
  send(frame: Readonly<Record<string, unknown>>): void {
    this.#client?.send(frame);
  }

  async #fetchUrl(): Promise<string> {
    const connection = new HttpConnection(this.#api);
    try {
      return await rtmUrl(connection, this.#api, this.user.token, () => (this.#again += 1));
    } finally {
      connection.close();
    }
  }
}

/** A URL for a session that will resume. A server that is busy is asked again. @throws Error */
export async function rtmUrl(
  connection: HttpConnection,
  api: string,
  token: string,
  onAgain: () => void,
): Promise<string> {
  const endMs = nowMs() + limits.benchSettleMs;
  for (;;) {
    const { status, body } = await connection.request(apiRequest(api, 'rtm.connect', token, { resume: '1' }));
    const { url, error } = JSON.parse(body) as { url?: unknown; error?: unknown };
    if (typeof url === 'string') return url;
    if (error !== 'service_unavailable' || nowMs() > endMs) {
      throw new Error(`rtm.connect failed: HTTP ${status} ${body.slice(0, 120)}`);
    }
    onAgain();
    await systemClock.sleep(retryMs);
  }
}
