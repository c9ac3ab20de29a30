/**
 * Commands that came for slots whose old owner has not let go yet. Bounded, over all slots of the process.
 *
 * B1  Commands of a slot leave in the order in which they came.
 * B2  Beyond `handoffBufferMessagesMax` a slot or `handoffBufferBytesMax` in all, a command is refused: its sender is
 *     told to try again.
 */
import { limits } from '../platform/limits.ts';

export interface HeldCommand {
  readonly bytes: Uint8Array;
  readonly reply: string | undefined;
}

export class HandoffBuffer {
  readonly #held = new Map<number, HeldCommand[]>();
  #bytes = 0;

  /** Copies `bytes`. False: no room. */
  hold(slot: number, bytes: Uint8Array, reply: string | undefined): boolean {
    const held = this.#held.get(slot) ?? [];
    if (held.length >= limits.handoffBufferMessagesMax) return false;
    if (this.#bytes + bytes.length > limits.handoffBufferBytesMax) return false;
    held.push({ bytes: bytes.slice(), reply });
    this.#held.set(slot, held);
    this.#bytes += bytes.length;
    return true;
  }

  take(slot: number): readonly HeldCommand[] {
    const held = this.#held.get(slot) ?? [];
    this.#held.delete(slot);
    for (const { bytes } of held) this.#bytes -= bytes.length;
    return held;
  }
}
