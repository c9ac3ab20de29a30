/**
 * When workers' batches are handled: at once, as long as that and the writes to sockets that follow from it take no more
 * than a share of the gateway's time. Beyond that share it rests in between; what comes meanwhile is handled together, so
 * each socket gets it in one write. The write is the dearest part of a delivery.
 *
 * Invariants:
 * B1  Batches are handled in the order in which they came.
 * B2  A batch waits for at most `batchRestMsMax`, and not at all while the gateway is busy with batches for less than
 *     `batchShareMaxPercent` of its time, nor for the first `batchBurstMs` of more.
 * B3  Beyond `batchBacklogBytesMax` what waits is handled at once.
 */
import type { Clock } from '../platform/clock.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';

export interface BatchRestOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'defer' | 'setTimeout'>;
  readonly limits: {
    readonly batchShareMaxPercent: number;
    readonly batchBurstMs: number;
    readonly batchRestMsMax: number;
    readonly batchBacklogBytesMax: number;
  };
  /** `bytes` are only valid during the call. */
  readonly handle: (kind: number, bytes: Uint8Array) => void;
  readonly waits?: DurationTimer;
}

interface Waiting {
  readonly kind: number;
  readonly bytes: Uint8Array;
  readonly sinceMs: number;
}

export class BatchRest {
  readonly #options: BatchRestOptions;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** In a turn that handles batches, or resting from one. */
  #state: 'ready' | 'working' | 'resting' = 'ready';
  /** Each turn moves it on by the time in which it is its share; ahead of now, the share is used up. */
  #paidUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: BatchRestOptions) {
    this.#options = options;
  }

  /** `kind`: handed on. `bytes` are only valid during the call. */
  take(kind: number, bytes: Uint8Array): void {
    if (this.#state === 'ready') this.#work();
    const { clock, handle, waits } = this.#options;
    if (this.#state === 'working') {
      waits?.observe(0);
      return handle(kind, bytes);
    }
    this.#waiting.push({ kind, bytes: Buffer.from(bytes), sinceMs: clock.monotonicMs() });
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > this.#options.limits.batchBacklogBytesMax) this.#handleWaiting();
  }

  #work(): void {
    const { clock } = this.#options;
    this.#state = 'working';
    const startMs = clock.monotonicMs();
    // The sockets' writes of this turn are done by then.
    clock.defer(() => this.#rest(startMs));
  }

  #rest(startMs: number): void {
    const { clock, limits } = this.#options;
    const nowMs = clock.monotonicMs();
    const turnMs = nowMs - startMs;
    const paidMs =
      Math.max(this.#paidUntilMs, startMs - limits.batchBurstMs) + (turnMs * 100) / limits.batchShareMaxPercent;
    this.#paidUntilMs = Math.min(paidMs, nowMs + limits.batchRestMsMax);
    if (this.#paidUntilMs <= nowMs) {
      this.#state = 'ready';
      return;
    }
    this.#state = 'resting';
    clock.setTimeout(() => this.#wake(), this.#paidUntilMs - nowMs);
  }

  #wake(): void {
    this.#state = 'ready';
    if (this.#waiting.length === 0) return;
    this.#work();
    this.#handleWaiting();
  }

  #handleWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    const { clock, handle, waits } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const { kind, bytes, sinceMs } of waiting) {
      waits?.observe(nowMs - sinceMs);
      handle(kind, bytes);
    }
  }
}
