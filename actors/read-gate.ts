/**
 * A bound on work that runs beside the actors' turns: so many at a time, so many waiting, in the order in which they
 * came. Beyond that `run` says no.
 */
export class ReadGate {
  readonly #inFlightMax: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => Promise<void>)[] = [];
  #inFlight = 0;

  constructor(inFlightMax: number, waitingMax: number) {
    this.#inFlightMax = inFlightMax;
    this.#waitingMax = waitingMax;
  }

  /** False: too many wait already; it will not run. `work` must not reject. */
  run(work: () => Promise<void>): boolean {
    if (this.#inFlight < this.#inFlightMax) {
      void this.#start(work);
      return true;
    }
    if (this.#waiting.length >= this.#waitingMax) return false;
    this.#waiting.push(work);
    return true;
  }

  async #start(work: () => Promise<void>): Promise<void> {
    this.#inFlight += 1;
    try {
      await work();
    } finally {
      this.#inFlight -= 1;
      const next = this.#waiting.shift();
      if (next !== undefined) void this.#start(next);
    }
  }
}
