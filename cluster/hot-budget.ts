/** Bytes of hot state that the slots of one hand-off may give together: whoever packs first takes first. */
export class HotBudget {
  #bytesLeft: number;

  constructor(bytesMax: number) {
    this.#bytesLeft = bytesMax;
  }

  /** False: too many, and nothing is taken. */
  take(bytes: number): boolean {
    if (bytes > this.#bytesLeft) return false;
    this.#bytesLeft -= bytes;
    return true;
  }
}
