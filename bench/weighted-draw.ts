/** Draws one of several things by weight: a search in the sums of the weights, so that a hundred thousand cost no more. */
import { assert } from '../platform/assert.ts';
import type { Rng } from '../platform/rng.ts';

export class WeightedDraw {
  readonly #sums: Float64Array;

  /** Weights are not negative, and one at least is above zero: what has none is never drawn. */
  constructor(weights: readonly number[]) {
    let sum = 0;
    this.#sums = Float64Array.from(weights, (weight) => (sum += weight));
    assert(sum > 0, 'weighted-draw/no-weight', { count: weights.length });
  }

  /** The index of one of the weights. */
  draw(rng: Pick<Rng, 'float'>): number {
    const at = rng.float() * (this.#sums.at(-1) ?? 0);
    let low = 0;
    let high = this.#sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sums[middle] ?? 0) > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
