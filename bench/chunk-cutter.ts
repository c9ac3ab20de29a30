/**
 * Cuts a stream of bytes into what is whole in it, chunk by chunk, and keeps the rest for the next one.
 *
 * K1  Only a split rest is copied: the caller may use its buffer again once push() returns.
 */
const nothing = Buffer.alloc(0);

export class ChunkCutter {
  readonly #cut: (buffer: Buffer, length: number) => number;
  #held: Buffer = nothing;

  /** `cut` hands out what is whole in the first `length` bytes and returns where the rest begins. */
  constructor(cut: (buffer: Buffer, length: number) => number) {
    this.#cut = cut;
  }

  /** Whether nothing is kept: what comes next begins with something new. */
  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Takes the first `length` bytes of `chunk`. */
  push(chunk: Buffer, length: number): void {
    if (this.#held.length === 0) {
      this.#keepRest(chunk, length, this.#cut(chunk, length));
      return;
    }
    const joined = Buffer.concat([this.#held, chunk.subarray(0, length)]);
    this.#keepRest(joined, joined.length, this.#cut(joined, joined.length));
  }

  /** K1 */
  #keepRest(buffer: Buffer, length: number, from: number): void {
    this.#held = from === length ? nothing : Buffer.from(buffer.subarray(from, length));
  }
}
