/**
 * What former owners left of their actors, kept in bytes until somebody asks for the stream: decoding all of it when the
 * slots arrive would stall the loop. One byte-bounded store for the whole worker.
 *
 * Invariants:
 * T1  What was taken once, or belongs to a slot that is not ours any more, is never given again.
 * T2  At most `bytesMax` bytes; beyond, the slot that came first is forgotten, and its streams are read from their logs.
 */
import type { StreamId } from '../protocol/ids.ts';

export class HotStates {
  readonly #bytesMax: number;
  readonly #slots = new Map<number, Map<StreamId, Uint8Array>>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Copies `state`: it may be part of something larger. */
  hold(slot: number, stream: StreamId, state: Uint8Array): void {
    if (state.length > this.#bytesMax) return;
    let held = this.#slots.get(slot);
    if (held === undefined) {
      held = new Map();
      this.#slots.set(slot, held);
    }
    this.#bytes += state.length - (held.get(stream)?.length ?? 0);
    held.set(stream, state.slice());
    for (const oldest of this.#slots.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      this.drop(oldest);
    }
  }

  take(slot: number, stream: StreamId): Uint8Array | undefined {
    const held = this.#slots.get(slot);
    const state = held?.get(stream);
    if (held === undefined || state === undefined) return undefined;
    held.delete(stream);
    if (held.size === 0) this.#slots.delete(slot);
    this.#bytes -= state.length;
    return state;
  }

  /** What nobody asked for yet. */
  of(slot: number): ReadonlyMap<StreamId, Uint8Array> {
    return this.#slots.get(slot) ?? NONE;
  }

  drop(slot: number): void {
    for (const state of this.of(slot).values()) this.#bytes -= state.length;
    this.#slots.delete(slot);
  }
}

const NONE: ReadonlyMap<StreamId, Uint8Array> = new Map();
