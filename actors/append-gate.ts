/** A bound on the appends of one worker in flight: an actor beyond it waits for a place, in the order of arrival. */
export class AppendGate {
  readonly #inFlightMax: number;
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;

  constructor(inFlightMax: number) {
    this.#inFlightMax = inFlightMax;
  }

  /** Undefined: go on. Else: when it is your turn. */
  enter(): Promise<void> | undefined {
    if (this.#inFlight < this.#inFlightMax) {
      this.#inFlight += 1;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The place goes to whoever waits longest. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inFlight -= 1;
    else next();
  }
}
