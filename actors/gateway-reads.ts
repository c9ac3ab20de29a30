/**
 * Reads for sessions that catch up: bounded per session, paced by each client's own speed, and handed out in small
 * portions, so that a storm of sessions that come back does not hold up what is live.
 *
 * R1  A session whose socket has much waiting is given no page and reads no further until it drained; a page that came
 *     meanwhile is let go and read again. A replay of any length then needs a bounded buffer, and a slow client slows
 *     only itself down.
 * R2  Sessions take turns: none has more than a few reads under way. What came for one is handed out together, up to
 *     `resumePauseBytes`, so that it costs the socket one write.
 * R3  Handing out ends each turn of the event loop after `resumeSliceMs` and goes on in the next one.
 */
import type { Clock } from '../platform/clock.ts';
import type { StreamId, TeamId } from '../protocol/ids.ts';
import type { Page } from './gateway-messages.ts';

export interface ReadRequest {
  readonly session: number;
  readonly stream: StreamId;
  readonly after: number;
  readonly upTo: number;
  readonly team: TeamId;
}

export interface ReadLimits {
  readonly resumeReadsPerSessionMax: number;
  readonly resumePauseBytes: number;
  readonly resumeSliceMs: number;
}

export interface GatewayReadsOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'defer'>;
  readonly limits: ReadLimits;
  /** What waits for the session's socket. */
  readonly bufferedBytes: (session: number) => number;
  /** Carries a read out; never rejects. */
  readonly start: (request: ReadRequest) => Promise<Page>;
  readonly deliver: (session: number, arrived: readonly Arrived[]) => void;
}

export interface Arrived {
  readonly request: ReadRequest;
  readonly page: Page;
}

interface Line {
  readonly session: number;
  readonly waiting: ReadRequest[];
  /** Read, and to be handed out. */
  arrived: Arrived[];
  inFlight: number;
  isForgotten: boolean;
}

export class GatewayReads {
  readonly #options: GatewayReadsOptions;
  readonly #lines = new Map<number, Line>();
  /** Lines to which something arrived, in the order of their turns. */
  readonly #due = new Set<Line>();
  #isScheduled = false;

  constructor(options: GatewayReadsOptions) {
    this.#options = options;
  }

  add(request: ReadRequest): void {
    const known = this.#lines.get(request.session);
    const line = known ?? { session: request.session, waiting: [], arrived: [], inFlight: 0, isForgotten: false };
    if (known === undefined) this.#lines.set(request.session, line);
    line.waiting.push(request);
    this.#startSome(line);
  }

  /** Its socket drained. */
  resume(session: number): void {
    const line = this.#lines.get(session);
    if (line !== undefined) this.#startSome(line);
  }

  /** The session is over: what waits is dropped, what is in flight ends by itself. */
  forget(session: number): void {
    const line = this.#lines.get(session);
    if (line === undefined) return;
    line.isForgotten = true;
    line.waiting.length = 0;
    line.arrived = [];
    this.#lines.delete(session);
  }

  #startSome(line: Line): void {
    const { limits, start } = this.#options;
    while (line.inFlight < limits.resumeReadsPerSessionMax && line.waiting.length > 0 && this.#hasRoom(line)) {
      const request = line.waiting.shift();
      if (request === undefined) return;
      line.inFlight += 1;
      void start(request).then((page) => this.#push(line, { request, page }));
    }
  }

  #hasRoom({ session }: Line): boolean {
    return this.#options.bufferedBytes(session) <= this.#options.limits.resumePauseBytes;
  }

  #push(line: Line, arrived: Arrived): void {
    line.arrived.push(arrived);
    this.#due.add(line);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.clock.defer(() => this.#handOut());
  }

  /** R3 */
  #handOut(): void {
    const { clock, limits } = this.#options;
    const endMs = clock.monotonicMs() + limits.resumeSliceMs;
    for (const line of this.#due) {
      this.#due.delete(line);
      this.#deliver(line);
      if (clock.monotonicMs() >= endMs) break;
    }
    this.#isScheduled = this.#due.size > 0;
    if (this.#isScheduled) clock.defer(() => this.#handOut());
  }

  #deliver(line: Line): void {
    if (line.isForgotten) return;
    const some = this.#hasRoom(line) ? this.#portion(line) : [];
    if (some.length === 0) {
      line.waiting.unshift(...line.arrived.map(({ request }) => request));
      line.inFlight -= line.arrived.length;
      line.arrived = [];
      return;
    }
    line.inFlight -= some.length;
    this.#options.deliver(line.session, some);
    if (line.isForgotten) return;
    if (line.arrived.length > 0) this.#due.add(line);
    this.#startSome(line);
    if (line.inFlight === 0 && line.waiting.length === 0) this.#lines.delete(line.session);
  }

  /** What one write may hold, at least one page. */
  #portion(line: Line): Arrived[] {
    let bytes = 0;
    let count = 0;
    for (const { page } of line.arrived) {
      if (count > 0 && bytes >= this.#options.limits.resumePauseBytes) break;
      bytes += page.kind === 'page' ? page.events.reduce((sum, { frame }) => sum + frame.length, 0) : 0;
      count += 1;
    }
    return line.arrived.splice(0, count);
  }
}
