/**
 * A bound on work that runs beside the actors' turns: so many at a time, so many waiting, in the order in which they
 * came. Beyond that `run` says no. Work that throws has a bug, which `onBug` tells; it does not hold a place.
 */
export class ReadGate {
  readonly #inFlightMax: number;
  readonly #waitingMax: number;
  readonly #onBug: (error: unknown) => void;
  readonly #waiting: (() => Promise<void>)[] = [];
  #inFlight = 0;

  constructor(inFlightMax: number, waitingMax: number, onBug: (error: unknown) => void) {
    this.#onBug = onBug;
    this.#inFlightMax = inFlightMax;
    this.#waitingMax = waitingMax;
  }

  /** False: too many wait already; it will not run. */
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
    } catch (error) {
      this.#onBug(error);
    } finally {
      this.#inFlight -= 1;
      const next = this.#waiting.shift();
      if (next !== undefined) void this.#start(next);
    }
  }
}
