/**
 * Which gateways want a stream's events. Millions of streams share few distinct sets, so sets are immutable and
 * interned: who works with a stream holds a reference, a stream that rests (resting-streams.ts) a number.
 *
 * I1  Two sets of the same outboxes are the same object, as long as none of their gateways is gone.
 * I2  A gateway that is gone is skipped by its outbox, and leaves a set when that set is next changed.
 * I3  A number stands for one set from its first `use` to its last `release`; then it may stand for another.
 */
import { assert, defined } from '../platform/assert.ts';
import type { GatewayOutbox } from './gateway-outbox.ts';

export interface InterestSet {
  /** By id, so that equal sets have equal keys. */
  readonly outboxes: readonly GatewayOutbox[];
}

interface Numbered {
  readonly number: number;
  readonly set: InterestSet;
  uses: number;
}

const NOBODY: InterestSet = { outboxes: [] };

export class InterestSets {
  readonly #sets = new Map<string, InterestSet>();
  readonly #numbered = new Map<InterestSet, Numbered>();
  /** The same by number. */
  readonly #places: (Numbered | undefined)[] = [];
  readonly #freeNumbers: number[] = [];

  readonly nobody: InterestSet = NOBODY;

  with(set: InterestSet, outbox: GatewayOutbox): InterestSet {
    return set.outboxes.includes(outbox) ? set : this.#intern([...set.outboxes, outbox]);
  }

  without(set: InterestSet, outbox: GatewayOutbox): InterestSet {
    return set.outboxes.includes(outbox) ? this.#intern(set.outboxes.filter((other) => other !== outbox)) : set;
  }

  /** A number for the set, to be released as often as it was asked for (I3). */
  use(set: InterestSet): number {
    let known = this.#numbered.get(set);
    if (known === undefined) {
      known = { number: this.#freeNumbers.pop() ?? this.#places.length, set, uses: 0 };
      this.#places[known.number] = known;
      this.#numbered.set(set, known);
    }
    known.uses += 1;
    return known.number;
  }

  of(number: number): InterestSet {
    return this.#place(number).set;
  }

  release(number: number): void {
    const place = this.#place(number);
    place.uses -= 1;
    if (place.uses > 0) return;
    this.#numbered.delete(place.set);
    this.#places[number] = undefined;
    this.#freeNumbers.push(number);
  }

  /** Its sets are not handed out any more; who still holds one skips it. */
  gatewayGone(outbox: GatewayOutbox): void {
    for (const [key, set] of this.#sets) if (set.outboxes.includes(outbox)) this.#sets.delete(key);
  }

  #place(number: number): Numbered {
    const place = defined(this.#places[number], 'interest/number-in-use', { number });
    assert(place.uses > 0, 'interest/uses-add-up', { number });
    return place;
  }

  #intern(outboxes: readonly GatewayOutbox[]): InterestSet {
    const alive = outboxes.filter((outbox) => !outbox.gone).sort((a, b) => a.id - b.id);
    if (alive.length === 0) return NOBODY;
    const key = alive.map((outbox) => outbox.id).join();
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    const set = { outboxes: alive };
    this.#sets.set(key, set);
    return set;
  }
}

export function isNobody(set: InterestSet): boolean {
  return set.outboxes.every((outbox) => outbox.gone);
}
