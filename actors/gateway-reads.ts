/**
 * Reads for sessions that catch up: bounded per session and for the whole gateway, and paced by each client's own speed.
 *
 * R1  A session whose socket has much waiting reads no further until it drained: a replay of any length then needs a
 *     bounded buffer, and a slow client slows only itself down.
 * R2  Sessions take turns: one with many streams does not starve the others.
 */
import type { StreamId } from '../protocol/ids.ts';

export interface ReadRequest {
  readonly session: number;
  readonly stream: StreamId;
  readonly after: number;
  readonly upTo: number;
}

export interface ReadLimits {
  readonly resumeReadsPerSessionMax: number;
  readonly resumeReadsPerGatewayMax: number;
  readonly resumePauseBytes: number;
}

interface Line {
  readonly session: number;
  readonly waiting: ReadRequest[];
  inFlight: number;
}

export class GatewayReads {
  readonly #limits: ReadLimits;
  readonly #bufferedBytes: (session: number) => number;
  readonly #start: (request: ReadRequest) => Promise<void>;
  /** In the order of their turns. */
  readonly #lines = new Map<number, Line>();
  #inFlight = 0;

  /** `start` carries a read out and resolves when its answer has been handled; it never rejects. */
  constructor(
    limits: ReadLimits,
    bufferedBytes: (session: number) => number,
    start: (request: ReadRequest) => Promise<void>,
  ) {
    this.#limits = limits;
    this.#bufferedBytes = bufferedBytes;
    this.#start = start;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  add(request: ReadRequest): void {
    const line = this.#lines.get(request.session) ?? { session: request.session, waiting: [], inFlight: 0 };
    this.#lines.set(request.session, line);
    line.waiting.push(request);
    this.#pump();
  }

  /** Its socket drained. */
  resume(session: number): void {
    if (this.#lines.has(session)) this.#pump();
  }

  /** The session is over: what waits is dropped, what is in flight ends by itself. */
  forget(session: number): void {
    const line = this.#lines.get(session);
    if (line === undefined) return;
    line.waiting.length = 0;
    if (line.inFlight === 0) this.#lines.delete(session);
  }

  #pump(): void {
    for (const line of [...this.#lines.values()]) {
      if (this.#inFlight >= this.#limits.resumeReadsPerGatewayMax) return;
      while (this.#mayStart(line)) this.#begin(line);
    }
  }

  #mayStart(line: Line): boolean {
    if (line.waiting.length === 0 || this.#inFlight >= this.#limits.resumeReadsPerGatewayMax) return false;
    if (line.inFlight >= this.#limits.resumeReadsPerSessionMax) return false;
    return this.#bufferedBytes(line.session) <= this.#limits.resumePauseBytes;
  }

  #begin(line: Line): void {
    const request = line.waiting.shift();
    if (request === undefined) return;
    line.inFlight += 1;
    this.#inFlight += 1;
    void this.#start(request).then(() => this.#ended(line));
  }

  #ended(line: Line): void {
    line.inFlight -= 1;
    this.#inFlight -= 1;
    this.#lines.delete(line.session);
    // To the end of the queue (R2).
    if (line.inFlight > 0 || line.waiting.length > 0) this.#lines.set(line.session, line);
    this.#pump();
  }
}
