/**
 * What one turn of the event loop has to say to each of several destinations, so that it travels as one message each.
 *
 * U1  Items of one destination leave in the order in which they were added, at the end of the turn or, when more than
 *     `bytesMax` have gathered, before.
 */
import type { Clock } from '../platform/clock.ts';

export interface TurnBundlesOptions<T> {
  readonly clock: Clock;
  /** What one bundle holds. Beyond: it leaves at once and a new one is begun. An item may be larger by itself. */
  readonly bytesMax: number;
  readonly send: (to: string, items: readonly T[]) => void;
}

interface Bundle<T> {
  readonly items: T[];
  bytes: number;
}

export class TurnBundles<T> {
  readonly #options: TurnBundlesOptions<T>;
  #bundles = new Map<string, Bundle<T>>();

  constructor(options: TurnBundlesOptions<T>) {
    this.#options = options;
  }

  /** `bytes`: what the item takes in its bundle, about. */
  add(to: string, item: T, bytes: number): void {
    if (this.#bundles.size === 0) this.#options.clock.defer(() => this.flush());
    const bundle = this.#bundles.get(to);
    if (bundle === undefined) {
      this.#bundles.set(to, { items: [item], bytes });
    } else if (bundle.bytes + bytes > this.#options.bytesMax) {
      this.#bundles.set(to, { items: [item], bytes });
      this.#options.send(to, bundle.items);
    } else {
      bundle.items.push(item);
      bundle.bytes += bytes;
    }
  }

  /** Sends what waits, now. */
  flush(): void {
    const bundles = this.#bundles;
    if (bundles.size === 0) return;
    this.#bundles = new Map();
    for (const [to, { items }] of bundles) this.#options.send(to, items);
  }
}
