/**
 * Which gateways want a stream's events. Millions of streams share few distinct sets, so sets are immutable and shared:
 * an entry holds one reference. A gateway that is gone is skipped, and leaves a set when that set is next changed.
 */
import type { GatewayOutbox } from './gateway-outbox.ts';

export class InterestSet {
  readonly outboxes: readonly GatewayOutbox[];
  readonly #wider = new Map<number, InterestSet>();
  readonly #narrower = new Map<number, InterestSet>();

  private constructor(outboxes: readonly GatewayOutbox[]) {
    this.outboxes = outboxes;
  }

  /** A root of its own per worker: `forgetSets` lets its derived sets go. */
  static root(): InterestSet {
    return new InterestSet([]);
  }

  get isEmpty(): boolean {
    return this.outboxes.every((outbox) => outbox.gone);
  }

  has(outbox: GatewayOutbox): boolean {
    return this.outboxes.includes(outbox);
  }

  with(outbox: GatewayOutbox): InterestSet {
    if (this.has(outbox)) return this;
    const known = this.#wider.get(outbox.id);
    if (known !== undefined) return known;
    const set = new InterestSet([...this.outboxes.filter((other) => !other.gone), outbox]);
    this.#wider.set(outbox.id, set);
    return set;
  }

  without(outbox: GatewayOutbox): InterestSet {
    if (!this.has(outbox)) return this;
    const known = this.#narrower.get(outbox.id);
    if (known !== undefined) return known;
    const set = new InterestSet(this.outboxes.filter((other) => other !== outbox && !other.gone));
    this.#narrower.set(outbox.id, set);
    return set;
  }

  /** After a gateway went: sets that mention it must not be handed out again. */
  forgetSets(): void {
    this.#wider.clear();
    this.#narrower.clear();
  }
}
