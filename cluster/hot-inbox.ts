/**
 * Hot chunks that came before their slots' `release`, by slot and the epoch of the hand-off.
 *
 * I1  Chunks of one hand-off are never given to another.
 * I2  Beyond `hotInboxBytesMax` over all slots a chunk is dropped: its streams are read from their logs.
 */
import { limits } from '../platform/limits.ts';
import type { HotChunks } from './slot-host.ts';

interface Held {
  readonly epoch: number;
  readonly chunks: Uint8Array[];
}

const NONE: HotChunks = [];

export class HotInbox {
  readonly #held = new Map<number, Held>();
  #bytes = 0;

  /** Copies `chunk`. */
  hold(slot: number, epoch: number, chunk: Uint8Array): void {
    if (this.#held.get(slot)?.epoch !== epoch) this.drop(slot);
    if (this.#bytes + chunk.length > limits.hotInboxBytesMax) return;
    const held = this.#held.get(slot) ?? { epoch, chunks: [] };
    held.chunks.push(chunk.slice());
    this.#held.set(slot, held);
    this.#bytes += chunk.length;
  }

  take(slot: number, epoch: number): HotChunks {
    const held = this.#held.get(slot);
    this.drop(slot);
    return held?.epoch === epoch ? held.chunks : NONE;
  }

  drop(slot: number): void {
    for (const chunk of this.#held.get(slot)?.chunks ?? []) this.#bytes -= chunk.length;
    this.#held.delete(slot);
  }
}
