/**
 * What one load process knows of a channel that only it posts to: which post got which seq. With that it can tell a
 * lost, a doubled and a disordered post from the acknowledgements alone.
 *
 * G1  A post sent after another was acknowledged gets a higher seq.
 * G2  No two posts get the same seq, and together they get every seq: nobody else posts there.
 */
export class ChannelLedger {
  readonly id: string;
  /** Post ids by seq; sparse at the front. */
  readonly #ids = new Map<number, number>();
  #lowestSeq = Infinity;
  #highestSeq = 0;

  constructor(id: string) {
    this.id = id;
  }

  /** The highest acknowledged seq: a post sent now must get a higher one. */
  get highestSeq(): number {
    return this.#highestSeq;
  }

  /** `floor`: highestSeq when the post was sent. Returns what is wrong with it, if anything. */
  acknowledge(seq: number, id: number, floor: number): string | undefined {
    if (seq <= floor) return `${this.id}: a post got seq ${seq}, after ${floor} had been acknowledged`;
    if (this.#ids.has(seq)) return `${this.id}: seq ${seq} was given to two posts`;
    this.#ids.set(seq, id);
    this.#lowestSeq = Math.min(this.#lowestSeq, seq);
    this.#highestSeq = Math.max(this.#highestSeq, seq);
    return undefined;
  }

  /** What is wrong once every post sent has its answer. */
  check(): string[] {
    if (this.#ids.size === 0) return [];
    const span = this.#highestSeq - this.#lowestSeq + 1;
    if (span === this.#ids.size) return [];
    return [`${this.id}: ${this.#ids.size} posts acknowledged over ${span} seqs`];
  }

  /** [seq, post id], by seq. */
  entries(): (readonly [number, number])[] {
    return [...this.#ids].toSorted((a, b) => a[0] - b[0]);
  }
}
