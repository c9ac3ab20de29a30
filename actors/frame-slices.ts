/**
 * What comes from a socket, clients' frames and workers' batches alike, a little at a time: when thousands of sessions resume in one turn of the event loop, what is live,
 * and the heartbeats by which others know that this process is alive, must not wait until all of them are served.
 *
 * Invariants:
 * F1  Frames (or batches) are handled in the order in which they came.
 * F2  Handling frames ends each turn after `frameSliceMs`; the rest waits, as copies. Beyond `frameBacklogBytesMax` frames
 *     are handled at once again: then clients feel that the gateway is slow, and memory stays bounded.
 */
import type { Clock } from '../platform/clock.ts';

export interface FrameSlicesOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'defer'>;
  readonly limits: { readonly frameSliceMs: number; readonly frameBacklogBytesMax: number };
  /** `bytes` are only valid during the call. */
  readonly handle: (session: number, bytes: Uint8Array) => void;
}

interface Waiting {
  readonly session: number;
  readonly bytes: Uint8Array;
}

export class FrameSlices {
  readonly #options: FrameSlicesOptions;
  #waiting: Waiting[] = [];
  #next = 0;
  #waitingBytes = 0;
  /** When this turn's time is over; undefined: nothing was handled in it yet. */
  #endMs: number | undefined;

  constructor(options: FrameSlicesOptions) {
    this.#options = options;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** `bytes` are only valid during the call. */
  take(session: number, bytes: Uint8Array): void {
    if (this.#waiting.length === 0 && this.#hasTime()) return this.#options.handle(session, bytes);
    this.#waiting.push({ session, bytes: Buffer.from(bytes) });
    this.#waitingBytes += bytes.length;
    while (this.#waitingBytes > this.#options.limits.frameBacklogBytesMax) this.#handleNext();
  }

  #hasTime(): boolean {
    const { clock, limits } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#endMs === undefined) {
      this.#endMs = nowMs + limits.frameSliceMs;
      clock.defer(() => this.#turn());
    }
    return nowMs < this.#endMs;
  }

  #turn(): void {
    this.#endMs = undefined;
    while (this.#waiting.length > 0 && this.#hasTime()) this.#handleNext();
  }

  #handleNext(): void {
    const frame = this.#waiting[this.#next];
    this.#next += 1;
    if (this.#next >= this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    }
    if (frame === undefined) return;
    this.#waitingBytes -= frame.bytes.length;
    this.#options.handle(frame.session, frame.bytes);
  }
}
