/**
 * Which gateways want a stream's events. Millions of streams share few distinct sets, so sets are immutable and
 * interned: an entry holds one reference.
 *
 * I1  Two sets of the same outboxes are the same object, as long as none of their gateways is gone.
 * I2  A gateway that is gone is skipped by its outbox, and leaves a set when that set is next changed.
 */
import type { GatewayOutbox } from './gateway-outbox.ts';

export interface InterestSet {
  /** By id, so that equal sets have equal keys. */
  readonly outboxes: readonly GatewayOutbox[];
}

const NOBODY: InterestSet = { outboxes: [] };

export class InterestSets {
  readonly #sets = new Map<string, InterestSet>();

  readonly nobody: InterestSet = NOBODY;

  with(set: InterestSet, outbox: GatewayOutbox): InterestSet {
    return set.outboxes.includes(outbox) ? set : this.#intern([...set.outboxes, outbox]);
  }

  without(set: InterestSet, outbox: GatewayOutbox): InterestSet {
    return set.outboxes.includes(outbox) ? this.#intern(set.outboxes.filter((other) => other !== outbox)) : set;
  }

  /** Its sets are not handed out any more; who still holds one skips it. */
  gatewayGone(outbox: GatewayOutbox): void {
    for (const [key, set] of this.#sets) if (set.outboxes.includes(outbox)) this.#sets.delete(key);
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
