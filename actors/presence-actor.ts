/**
 * The presence actors of one slot: a thin shell around the rules. It keeps no log. A user who has neither sessions nor
 * watchers takes no memory.
 *
 * Invariants:
 * S1  A gateway that watches a user is told each change once, in order, coalesced: the newest state of
 *     `presenceBatchMs` wins. What it was told last is what it knows: no change, no entry.
 * S2  Unknown is never told as a change (P3).
 * S3  At most `usersMax` users are kept over the worker's slots; beyond, a newcomer is unknown to watchers.
 */
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { PresenceState as PresenceAnswer, SlotCommand } from '../protocol/commands.ts';
import type { Presence } from '../protocol/events.ts';
import type { Incarnation, UserId } from '../protocol/ids.ts';
import type { GatewayOutbox, GatewayOutboxes } from './gateway-outbox.ts';
import {
  announce,
  endLease,
  NO_FACTS,
  presenceAnswer,
  presenceOf,
  prune,
  type PresenceFacts,
} from './presence-rules.ts';

const PRESENCE_ENTRY_BYTES = 48;

type Sessions = Extract<SlotCommand, { kind: 'sessions' }>;
type State = readonly [UserId, Presence | 'unknown'];

export interface PresenceSlotOptions {
  readonly clock: Clock;
  /** When this worker got the slot, in monotonic milliseconds. */
  readonly openedAtMs: number;
  readonly outboxes: GatewayOutboxes;
  /** Whether the user is away by hand, from the user's own stream; undefined when it is not to be had now. */
  readonly manualAway: (user: UserId) => Promise<boolean | undefined>;
  readonly gatewaysAlive: () => ReadonlyMap<Incarnation, string>;
  /** Users kept by all slots of the worker; false when there is room for no more. */
  readonly takePlace: () => boolean;
  readonly leavePlace: () => void;
}

interface Entry {
  facts: PresenceFacts;
  readonly watchers: Set<GatewayOutbox>;
  told: Presence | 'unknown';
  loading: boolean;
}

export class PresenceSlot {
  readonly #options: PresenceSlotOptions;
  readonly #entries = new Map<UserId, Entry>();
  readonly #heard = new Set<Incarnation>();
  readonly #changed = new Set<UserId>();
  readonly #timers = new Set<Timer>();
  /** Users whose leases end, in the order in which they do: all graces are equally long. */
  readonly #graces = new Map<UserId, number>();
  #graceTimer: Timer | undefined;
  #batch: Timer | undefined;
  #closed = false;

  constructor(options: PresenceSlotOptions) {
    this.#options = options;
    const graceMs = options.openedAtMs + limits.presenceGraceMs - this.#nowMs();
    if (graceMs > 0) this.#after(graceMs, () => this.#markAll());
  }

  get userCount(): number {
    return this.#entries.size;
  }

  sessions(command: Sessions): void {
    const gateway = command.gateway.incarnation;
    const firstWord = !this.#heard.has(gateway);
    this.#heard.add(gateway);
    for (const [user, sessions, idle] of command.entries) {
      this.#announce(user, { gateway, at: command.at, sessions, idle });
    }
    // The last gateway that was missing may turn unknown users into away ones.
    if (firstWord && this.#everyoneHeard()) this.#markAll();
  }

  watch(outbox: GatewayOutbox, users: readonly UserId[]): State[] {
    return users.map((user): State => {
      const entry = this.#entryOf(user);
      if (entry === undefined) return [user, 'unknown'];
      if (entry.facts.manualAway === undefined) this.#load(user, entry);
      // A first watcher is told what is; a later one what the others were told, and the difference with them.
      if (entry.watchers.size === 0) entry.told = this.#presence(entry);
      else if (entry.told !== this.#presence(entry)) this.#mark(user);
      entry.watchers.add(outbox);
      return [user, entry.told];
    });
  }

  unwatch(outbox: GatewayOutbox, users: readonly UserId[]): void {
    for (const user of users) {
      const entry = this.#entries.get(user);
      if (entry === undefined) continue;
      entry.watchers.delete(outbox);
      this.#dropIfUnused(user, entry);
    }
  }

  query(users: readonly UserId[]): State[] {
    return users.map((user): State => {
      const entry = this.#entries.get(user);
      if (entry !== undefined) return [user, this.#presence(entry)];
      return [user, this.#everyoneHeard() ? 'away' : 'unknown'];
    });
  }

  answer(user: UserId, manualAway: boolean): PresenceAnswer {
    const facts = this.#entries.get(user)?.facts ?? NO_FACTS;
    return presenceAnswer({ ...facts, manualAway }, this.#nowMs());
  }

  /** The user's own stream committed a change of the flag. */
  manualChanged(user: UserId, manualAway: boolean): void {
    const entry = this.#entries.get(user);
    if (entry === undefined) return;
    entry.facts = { ...entry.facts, manualAway };
    this.#mark(user);
  }

  gatewayGone(gateway: Incarnation): void {
    this.#heard.delete(gateway);
    for (const [user, entry] of this.#entries) {
      for (const outbox of entry.watchers) if (outbox.gone) entry.watchers.delete(outbox);
      const facts = endLease(entry.facts, gateway, this.#nowMs(), limits.presenceGraceMs);
      if (facts === entry.facts) this.#dropIfUnused(user, entry);
      else this.#changeFacts(user, entry, facts);
    }
    if (this.#everyoneHeard()) this.#markAll();
  }

  /** A gateway came or went. */
  gatewaysChanged(): void {
    if (this.#everyoneHeard()) this.#markAll();
  }

  close(): void {
    this.#closed = true;
    this.#batch?.cancel();
    this.#graceTimer?.cancel();
    for (const timer of this.#timers) timer.cancel();
    for (let i = 0; i < this.#entries.size; i++) this.#options.leavePlace();
    this.#entries.clear();
  }

  #announce(user: UserId, said: { gateway: Incarnation; at: number; sessions: number; idle: boolean }): void {
    // An end of something unknown changes nothing, and must not take memory.
    if (said.sessions === 0 && !this.#entries.has(user)) return;
    const entry = this.#entryOf(user);
    if (entry === undefined) return;
    this.#changeFacts(user, entry, announce(entry.facts, said, this.#nowMs(), limits.presenceGraceMs));
    if (entry.facts.manualAway === undefined) this.#load(user, entry);
  }

  #changeFacts(user: UserId, entry: Entry, facts: PresenceFacts): void {
    entry.facts = facts;
    this.#mark(user);
    const nowMs = this.#nowMs();
    if ([...facts.leases.values()].some((lease) => lease.graceUntilMs > nowMs)) this.#expectGrace(user);
  }

  #expectGrace(user: UserId): void {
    this.#graces.delete(user);
    this.#graces.set(user, this.#nowMs() + limits.presenceGraceMs);
    this.#graceTimer ??= this.#options.clock.setTimeout(() => this.#endGraces(), limits.presenceGraceMs);
  }

  #endGraces(): void {
    this.#graceTimer = undefined;
    const nowMs = this.#nowMs();
    for (const [user, untilMs] of this.#graces) {
      if (untilMs > nowMs) {
        this.#graceTimer = this.#options.clock.setTimeout(() => this.#endGraces(), Math.ceil(untilMs - nowMs));
        return;
      }
      this.#graces.delete(user);
      const entry = this.#entries.get(user);
      if (entry === undefined) continue;
      entry.facts = prune(entry.facts, nowMs);
      this.#mark(user);
    }
  }

  #load(user: UserId, entry: Entry): void {
    if (entry.loading) return;
    entry.loading = true;
    void this.#options.manualAway(user).then((manualAway) => {
      entry.loading = false;
      if (this.#closed || this.#entries.get(user) !== entry) return;
      if (manualAway === undefined) return this.#after(limits.membershipNoteRetryMs, () => this.#load(user, entry));
      if (entry.facts.manualAway === undefined) this.manualChanged(user, manualAway);
    });
  }

  #mark(user: UserId): void {
    this.#changed.add(user);
    this.#batch ??= this.#options.clock.setTimeout(() => this.#tell(), limits.presenceBatchMs);
  }

  #markAll(): void {
    for (const user of this.#entries.keys()) this.#mark(user);
  }

  #tell(): void {
    this.#batch = undefined;
    for (const user of this.#changed) {
      const entry = this.#entries.get(user);
      if (entry === undefined) continue;
      const presence = this.#presence(entry);
      if (presence !== 'unknown' && presence !== entry.told) {
        entry.told = presence;
        for (const outbox of entry.watchers) outbox.add({ kind: 'presence', user, presence }, PRESENCE_ENTRY_BYTES);
      }
      this.#dropIfUnused(user, entry);
    }
    this.#changed.clear();
  }

  #presence(entry: Entry): Presence | 'unknown' {
    return presenceOf(entry.facts, this.#nowMs(), this.#everyoneHeard());
  }

  #everyoneHeard(): boolean {
    if (this.#nowMs() - this.#options.openedAtMs >= limits.presenceGraceMs) return true;
    const alive = this.#options.gatewaysAlive();
    for (const gateway of alive.keys()) if (!this.#heard.has(gateway)) return false;
    // A worker that has not heard of any gateway has not looked yet.
    return alive.size > 0;
  }

  #entryOf(user: UserId): Entry | undefined {
    const known = this.#entries.get(user);
    if (known !== undefined) return known;
    if (this.#closed || !this.#options.takePlace()) return undefined;
    const entry: Entry = { facts: NO_FACTS, watchers: new Set(), told: 'unknown', loading: false };
    this.#entries.set(user, entry);
    return entry;
  }

  #dropIfUnused(user: UserId, entry: Entry): void {
    if (entry.watchers.size > 0 || prune(entry.facts, this.#nowMs()).leases.size > 0) return;
    if (this.#entries.delete(user)) this.#options.leavePlace();
  }

  #after(delayMs: number, run: () => void): void {
    const timer = this.#options.clock.setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}
