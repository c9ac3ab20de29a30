/**
 * The old owner's pace in a hand-off: waits for the new owner's `prepared`, has the slots finished, and repeats the
 * `release` until the new owner says that it serves them.
 *
 * Invariants:
 * X1  Without `prepared` it goes on after `handoffPreparedMs`: the new owner's word may be lost, and commands that
 *     find nobody are retried by their senders.
 * X2  A `release` is repeated only while the slot is still owed (slot-owner.ts says so).
 * X3  Hot chunks go before their slot's `release`, on the same lane, once: whoever gets the `release` has what arrived of
 *     them. A batch sends at most `hotReleaseBytesMax`.
 */
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { SlotClaim } from '../protocol/control.ts';
import type { Incarnation } from '../protocol/ids.ts';
import type { ControlChannel } from './control-channel.ts';
import { HotBudget } from './hot-budget.ts';
import type { HotChunks } from './slot-host.ts';

export interface HandoffSenderOptions {
  readonly self: Incarnation;
  readonly control: ControlChannel;
  readonly clock: Clock;
  /** Drains and closes a slot. Gives its hot chunks when it may be announced. */
  readonly finish: (slot: number, epoch: number, budget: HotBudget) => Promise<HotChunks | undefined>;
  /** Whether the new owner is still to be told. */
  readonly owes: (slot: number, epoch: number) => boolean;
}

interface WaitingBatch {
  readonly to: Incarnation;
  readonly missing: Map<number, number>;
  readonly claims: readonly SlotClaim[];
  /** All of it is prepared, and the overlap runs. */
  overlapping: boolean;
  timer: Timer;
  readonly budget: HotBudget;
}

export class HandoffSender {
  readonly #options: HandoffSenderOptions;
  readonly #waiting = new Set<WaitingBatch>();
  /** `prepared` may overtake our own look at the table: by slot, the epoch it named. */
  readonly #early = new Map<number, number>();
  /** By new owner, then slot: what is to be announced. */
  readonly #owed = new Map<Incarnation, Map<number, number>>();
  #announcing: Timer | undefined;
  #repeating: Timer | undefined;

  constructor(options: HandoffSenderOptions) {
    this.#options = options;
  }

  stop(): void {
    for (const batch of this.#waiting) batch.timer.cancel();
    this.#waiting.clear();
    this.#owed.clear();
    this.#announcing?.cancel();
    this.#repeating?.cancel();
  }

  /** Begins to give these slots to `to`. */
  release(to: Incarnation, claims: readonly SlotClaim[]): void {
    const missing = new Map(claims.filter(([slot, epoch]) => this.#early.get(slot) !== epoch));
    for (const [slot] of claims) this.#early.delete(slot);
    const timer = this.#options.clock.setTimeout(() => this.#finishBatch(batch), limits.handoffPreparedMs);
    const budget = new HotBudget(limits.hotReleaseBytesMax);
    const batch: WaitingBatch = { to, missing, claims, overlapping: false, timer, budget };
    this.#waiting.add(batch);
    this.#whenPrepared(batch);
  }

  prepared(from: Incarnation, claims: readonly SlotClaim[]): undefined {
    for (const [slot, epoch] of claims) {
      const batch = [...this.#waiting].find(({ to, missing }) => to === from && missing.get(slot) === epoch);
      if (batch === undefined) this.#early.set(slot, epoch);
      else batch.missing.delete(slot);
    }
    for (const batch of [...this.#waiting]) this.#whenPrepared(batch);
  }

  /** To be told to its new owner, until that one says it serves the slot. */
  announce(to: Incarnation, [slot, epoch]: SlotClaim): void {
    const owed = this.#owed.get(to);
    if (owed === undefined) this.#owed.set(to, new Map([[slot, epoch]]));
    else owed.set(slot, epoch);
    this.#announceSoon();
  }

  withdraw(slot: number): void {
    for (const owed of this.#owed.values()) owed.delete(slot);
  }

  /** The overlap lets the new owner's subscriptions reach every node of the broker before ours end. */
  #whenPrepared(batch: WaitingBatch): void {
    if (batch.missing.size > 0 || batch.overlapping) return;
    batch.overlapping = true;
    batch.timer.cancel();
    batch.timer = this.#options.clock.setTimeout(() => this.#finishBatch(batch), limits.handoffOverlapMs);
  }

  #finishBatch(batch: WaitingBatch): void {
    this.#waiting.delete(batch);
    for (const claim of batch.claims) void this.#finishOne(batch, claim);
  }

  async #finishOne(batch: WaitingBatch, claim: SlotClaim): Promise<void> {
    const { self, control, finish } = this.#options;
    const chunks = await finish(...claim, batch.budget);
    if (chunks === undefined) return;
    for (const chunk of chunks) control.tell(batch.to, { kind: 'hot', from: self, claims: [claim], chunk });
    this.announce(batch.to, claim);
  }

  /** At once, for all that is owed by then: what waits for a repeat keeps nobody else waiting. */
  #announceSoon(): void {
    this.#announcing ??= this.#options.clock.setTimeout(() => {
      this.#announcing = undefined;
      this.#announceAll();
    }, 0);
  }

  #repeatLater(): void {
    this.#repeating ??= this.#options.clock.setTimeout(() => {
      this.#repeating = undefined;
      this.#announceAll();
    }, limits.confirmRetryMs);
  }

  #announceAll(): void {
    for (const [to, owed] of this.#owed) void this.#announceTo(to, owed);
  }

  async #announceTo(to: Incarnation, owed: Map<number, number>): Promise<void> {
    const { self, control, owes } = this.#options;
    for (const [slot, epoch] of owed) if (!owes(slot, epoch)) owed.delete(slot);
    if (owed.size === 0) {
      this.#owed.delete(to);
      return;
    }
    const answer = await control.ask(to, { kind: 'release', from: self, claims: [...owed] });
    if (answer.kind === 'answer') {
      for (const [slot, epoch] of answer.claims) if (owed.get(slot) === epoch) owed.delete(slot);
    }
    if (owed.size === 0) this.#owed.delete(to);
    else this.#repeatLater();
  }
}
