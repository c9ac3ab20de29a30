/**
 * What comes from a socket, clients' frames and workers' batches alike, a little at a time: when thousands of sessions
 * resume in one turn of the event loop, what is live, and the heartbeats by which others know that this process is alive,
 * must not wait until all of them are served.
 *
 * Invariants:
 * F1  Frames (or batches) are handled in the order in which they came.
 * F2  Handling frames ends each turn after `frameSliceMs`; the rest waits, as copies. Beyond `frameBacklogBytesMax` frames
 *     are handled at once again: then clients feel that the gateway is slow, and memory stays bounded.
 */
import type { Clock } from '../platform/clock.ts';
import { TurnSlices } from '../platform/turn-slices.ts';

export interface FrameSlicesOptions {
  readonly clock: Pick<Clock, 'monotonicMs' | 'defer'>;
  readonly limits: { readonly frameSliceMs: number; readonly frameBacklogBytesMax: number };
  /** `bytes` are only valid during the call. */
  readonly handle: (session: number, bytes: Uint8Array) => void;
}

export class FrameSlices {
  readonly #options: FrameSlicesOptions;
  readonly #slices: TurnSlices;
  #waitingBytes = 0;

  constructor(options: FrameSlicesOptions) {
    this.#options = options;
    this.#slices = new TurnSlices(options.clock, options.limits.frameSliceMs);
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** `bytes` are only valid during the call. */
  take(session: number, bytes: Uint8Array): void {
    if (this.#slices.hasRoom()) return this.#options.handle(session, bytes);
    const copy = Buffer.from(bytes);
    this.#waitingBytes += copy.length;
    this.#slices.later(() => this.#handleCopy(session, copy));
    while (this.#waitingBytes > this.#options.limits.frameBacklogBytesMax) this.#slices.runNext();
  }

  #handleCopy(session: number, copy: Uint8Array): void {
    this.#waitingBytes -= copy.length;
    this.#options.handle(session, copy);
  }
}
