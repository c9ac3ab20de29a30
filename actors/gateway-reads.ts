/**
 * Reads for sessions that catch up: bounded per session, paced by each client's own speed, and handed out in small
 * portions, so that a storm of sessions that come back does not hold up what is live.
 *
 * R1  A session whose socket has much waiting is given no page and reads no further until it drained; a page that came
 *     meanwhile is let go and read again. A replay of any length then needs a bounded buffer, and a slow client slows
 *     only itself down.
 * R2  Sessions take turns: none has more than a few reads under way, and pages are handed out as they come.
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
  readonly deliver: (request: ReadRequest, page: Page) => void;
}

interface Line {
  readonly session: number;
  readonly waiting: ReadRequest[];
  inFlight: number;
  isForgotten: boolean;
}

interface Arrived {
  readonly line: Line;
  readonly request: ReadRequest;
  readonly page: Page;
}

export class GatewayReads {
  readonly #options: GatewayReadsOptions;
  readonly #lines = new Map<number, Line>();
  #arrived: Arrived[] = [];
  #isScheduled = false;

  constructor(options: GatewayReadsOptions) {
    this.#options = options;
  }

  add(request: ReadRequest): void {
    const known = this.#lines.get(request.session);
    const line = known ?? { session: request.session, waiting: [], inFlight: 0, isForgotten: false };
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
    this.#lines.delete(session);
  }

  #startSome(line: Line): void {
    const { limits, start } = this.#options;
    while (line.inFlight < limits.resumeReadsPerSessionMax && line.waiting.length > 0 && this.#hasRoom(line)) {
      const request = line.waiting.shift();
      if (request === undefined) return;
      line.inFlight += 1;
      void start(request).then((page) => this.#push({ line, request, page }));
    }
  }

  #hasRoom({ session }: Line): boolean {
    return this.#options.bufferedBytes(session) <= this.#options.limits.resumePauseBytes;
  }

  #push(arrived: Arrived): void {
    this.#arrived.push(arrived);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.clock.defer(() => this.#handOut());
  }

  /** R3 */
  #handOut(): void {
    const { clock, limits } = this.#options;
    const endMs = clock.monotonicMs() + limits.resumeSliceMs;
    const arrived = this.#arrived;
    this.#arrived = [];
    let at = 0;
    do this.#deliver(arrived[at++]);
    while (at < arrived.length && clock.monotonicMs() < endMs);
    this.#arrived = [...arrived.slice(at), ...this.#arrived];
    this.#isScheduled = this.#arrived.length > 0;
    if (this.#isScheduled) clock.defer(() => this.#handOut());
  }

  #deliver(arrived: Arrived | undefined): void {
    if (arrived === undefined || arrived.line.isForgotten) return;
    const { line, request, page } = arrived;
    line.inFlight -= 1;
    if (!this.#hasRoom(line)) {
      line.waiting.unshift(request);
      return;
    }
    this.#options.deliver(request, page);
    if (line.isForgotten) return;
    this.#startSome(line);
    if (line.inFlight === 0 && line.waiting.length === 0) this.#lines.delete(line.session);
  }
}
