/**
 * A conversation's duty to tell each user's own stream about joining and leaving. The conversation's log is the truth
 * and the outbox: what is not known delivered is sent again after a restart.
 *
 * Invariants:
 * N1  Per user the notes go out in the order of their seq, one at a time: a join never overtakes the leave before it.
 * N2  A note is kept until the user's stream answered that it has it. The receiver is idempotent by seq.
 * N3  At most `inFlightMax` notes are on their way, at most `waitingMax` are kept (checked by whoever decides joins).
 * N4  Who waits for notes that are given up here is told so, and asks whoever has the conversation next: that one sends
 *     them, however quiet the conversation is.
 */
import type { CommandSender } from '../cluster/command-sender.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { ChannelMeta } from '../protocol/events.ts';
import type { UserId } from '../protocol/ids.ts';

export interface Note {
  readonly user: UserId;
  /** The conversation's seq at which it happened. */
  readonly seq: number;
  readonly member: boolean;
  readonly actor?: UserId;
}

interface Waiter {
  readonly upTo: number;
  /** Whose notes are missing. */
  readonly users: Set<UserId>;
  readonly done: () => void;
  readonly lost: () => void;
  readonly patience: Timer;
}

export interface MembershipOutboxOptions {
  readonly sender: Pick<CommandSender, 'toStream'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meta: () => ChannelMeta | undefined;
}

export class MembershipOutbox {
  readonly #options: MembershipOutboxOptions;
  /** Per user, oldest first. The first one is in flight when the user is in `#sending`. */
  readonly #notes = new Map<UserId, Note[]>();
  readonly #sending = new Set<UserId>();
  readonly #ready: UserId[] = [];
  readonly #waiters = new Set<Waiter>();
  #count = 0;
  #closed = false;

  constructor(options: MembershipOutboxOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#count;
  }

  /** What is not known delivered: part of a snapshot. */
  pending(): Note[] {
    return [...this.#notes.values()].flat();
  }

  add(note: Note): void {
    const waiting = this.#notes.get(note.user);
    if (waiting === undefined) this.#notes.set(note.user, [note]);
    else if ((waiting.at(-1)?.seq ?? 0) < note.seq) waiting.push(note);
    else return;
    this.#count += 1;
    if (waiting === undefined) this.#ready.push(note.user);
    this.#pump();
  }

  /**
   * Calls `done` once every kept note of these users up to `seq` is delivered, at once if there is none; and after
   * `membershipAnswerWaitMs` in any case, before the sender of the command would give up on a change that stands. Or calls
   * `lost`, when nobody here delivers them any more (N4).
   */
  whenDelivered(users: readonly UserId[], upTo: number, done: () => void, lost: () => void): void {
    const missing = new Set(users.filter((user) => (this.#notes.get(user)?.[0]?.seq ?? Number.MAX_VALUE) <= upTo));
    // Beyond the limit the answer comes before the notes are delivered; nothing is lost by that.
    if (missing.size === 0 || this.#waiters.size >= limits.membershipNotesWaitingMax) return done();
    const patience = this.#options.clock.setTimeout(() => this.#settle(waiter), limits.membershipAnswerWaitMs);
    const waiter: Waiter = { upTo, users: missing, done, lost, patience };
    this.#waiters.add(waiter);
  }

  /** N4, for all who wait. */
  letGo(): void {
    for (const waiter of [...this.#waiters]) this.#end(waiter, waiter.lost);
  }

  close(): void {
    this.#closed = true;
    this.letGo();
  }

  #pump(): void {
    while (this.#sending.size < limits.membershipNotesInFlightMax && !this.#closed) {
      const user = this.#ready.shift();
      if (user === undefined) return;
      this.#sending.add(user);
      void this.#send(user);
    }
  }

  async #send(user: UserId): Promise<void> {
    const note = this.#notes.get(user)?.[0];
    const meta = this.#options.meta();
    const delivered = note !== undefined && meta !== undefined && (await this.#deliver(user, note, meta));
    this.#sending.delete(user);
    if (this.#closed) return;
    if (delivered) this.#delivered(user, note.seq);
    else this.#options.clock.setTimeout(() => this.#again(user), limits.membershipNoteRetryMs);
    this.#pump();
  }

  async #deliver(user: UserId, note: Note, meta: ChannelMeta): Promise<boolean> {
    const { seq: channelSeq, member, actor } = note;
    const who = actor === undefined ? {} : { actor };
    const outcome = await this.#options.sender.toStream(user, {
      kind: 'note-membership',
      meta,
      channelSeq,
      member,
      ...who,
    });
    if (!outcome.ok) {
      this.#options.logger.warn('membership_note_failed', {
        channel: meta.id,
        user,
        channelSeq,
        failure: outcome.failure,
      });
    }
    return outcome.ok;
  }

  #again(user: UserId): void {
    if (this.#closed) return;
    this.#ready.push(user);
    this.#pump();
  }

  #delivered(user: UserId, seq: number): void {
    const rest = (this.#notes.get(user) ?? []).filter((note) => note.seq > seq);
    this.#count -= (this.#notes.get(user)?.length ?? 0) - rest.length;
    if (rest.length === 0) this.#notes.delete(user);
    else {
      this.#notes.set(user, rest);
      this.#ready.push(user);
    }
    this.#release(user, rest[0]?.seq ?? Number.MAX_VALUE);
  }

  #release(user: UserId, nextSeq: number): void {
    for (const waiter of [...this.#waiters]) {
      if (nextSeq > waiter.upTo && waiter.users.delete(user) && waiter.users.size === 0) this.#settle(waiter);
    }
  }

  #settle(waiter: Waiter): void {
    this.#end(waiter, waiter.done);
  }

  #end(waiter: Waiter, say: () => void): void {
    waiter.patience.cancel();
    this.#waiters.delete(waiter);
    say();
  }
}
