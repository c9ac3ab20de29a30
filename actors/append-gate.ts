/** A bound on the appends of one worker in flight: an actor beyond it waits for a place, in the order of arrival. */
import type { Clock } from '../platform/clock.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';

export interface AppendGateOptions {
  readonly inFlightMax: number;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly waits?: DurationTimer;
}

interface Waiting {
  readonly sinceMs: number;
  readonly begin: () => void;
}

export class AppendGate {
  readonly #options: AppendGateOptions;
  readonly #waiting: Waiting[] = [];
  #inFlight = 0;

  constructor(options: AppendGateOptions) {
    this.#options = options;
  }

  /** Undefined: go on. Else: when it is your turn. */
  enter(): Promise<void> | undefined {
    const { inFlightMax, clock, waits } = this.#options;
    if (this.#inFlight < inFlightMax) {
      this.#inFlight += 1;
      waits?.observe(0);
      return undefined;
    }
    return new Promise((begin) => this.#waiting.push({ sinceMs: clock.monotonicMs(), begin }));
  }

  /** The place goes to whoever waits longest. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#inFlight -= 1;
      return;
    }
    const { clock, waits } = this.#options;
    waits?.observe(clock.monotonicMs() - next.sinceMs);
    next.begin();
  }
}
