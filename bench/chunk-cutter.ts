/**
 * Cuts a stream of bytes into what is whole in it, chunk by chunk, and keeps the rest for the next one.
 *
 * K1  Only a split rest is copied: the caller may use its buffer again once push() returns.
 */
export class ChunkCutter {
  readonly #cut: (buffer: Buffer, length: number) => number;
  #held: Buffer = Buffer.alloc(0);

  /** `cut` hands out what is whole in the first `length` bytes and returns where the rest begins. */
  constructor(cut: (buffer: Buffer, length: number) => number) {
    this.#cut = cut;
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
    this.#held = from === length ? Buffer.alloc(0) : Buffer.from(buffer.subarray(from, length));
  }
}
