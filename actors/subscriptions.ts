/**
 * Gateways' interest in the streams of a slot: who may subscribe, and what a gateway missed.
 *
 * Invariants:
 * B1  The answer to `admit` states a seq; every event after it follows the answer in the gateway's batches. Interest
 *     and answer are made in one go, when all entries are decided; who left in between is told to ask again.
 * B2  `cursors` registers interest at once and activates nothing. What the gateway missed follows: from the hot tail or
 *     the log, read at a bounded rate behind live traffic; or a `resync`, when it is too much or not there.
 * B3  A slot whose previous owner may still be writing is fenced, stream by stream, before a cursor is called right; one
 *     that is empty too.
 */
import type { LogPosition } from '../broker/log-position.ts';
import type { Admission, SlotCommand } from '../protocol/commands.ts';
import { retryable, type Failure } from '../protocol/errors.ts';
import type { SequencedEvent } from '../protocol/events.ts';
import { isTeamStream, isUserStream, type StreamId, type UserId } from '../protocol/ids.ts';
import { limits } from '../platform/limits.ts';
import type { CursorChecks } from './cursor-checks.ts';
import type { GatewayOutbox } from './gateway-outbox.ts';
import { sayEvent, sayResync } from './publisher.ts';
import type { Slot } from './slot.ts';
import type { SlotEntry } from './slot-streams.ts';
import type { PendingAdmission, WorkerContext } from './worker-context.ts';

type Admit = Extract<SlotCommand, { kind: 'admit' }>;
type Cursors = Extract<SlotCommand, { kind: 'cursors' }>;

interface Decided {
  readonly entry: SlotEntry;
  readonly pending: PendingAdmission;
  readonly failure: Failure | undefined;
}

export class Subscriptions {
  readonly #context: WorkerContext;
  readonly #checks: CursorChecks;

  constructor(context: WorkerContext, checks: CursorChecks) {
    this.#context = context;
    this.#checks = checks;
  }

  /** `answer` is called once, in the turn in which the interest is registered (B1). */
  async admit(slot: Slot, command: Admit, answer: (admissions: Admission[]) => void): Promise<void> {
    const decided = await Promise.all(command.entries.map(([user, stream]) => this.#decide(slot, user, stream)));
    if (slot.ended) return;
    const outbox = this.#context.outboxes.of(command.gateway);
    answer(decided.map((one) => this.#settle(slot, outbox, one)));
  }

  /** False: too much is waiting; nothing was registered. */
  cursors(slot: Slot, command: Cursors): boolean {
    if (!this.#checks.hasRoomFor(command.entries.length)) return false;
    const outbox = this.#context.outboxes.of(command.gateway);
    for (const [stream, seq] of command.entries) {
      const entry = slot.streams.hold(stream);
      entry.interest = this.#context.interests.with(entry.interest, outbox);
      const known = isPlaced(slot, entry) ? entry.seq : -1;
      slot.streams.letGo(entry);
      if (known === seq) continue;
      const check = () => this.#check(slot, stream, outbox, seq);
      // What is known costs nothing; the rest waits its turn.
      if (known >= 0) void check();
      else this.#checks.add(check);
    }
    return true;
  }

  forget(slot: Slot, outbox: GatewayOutbox, streams: readonly StreamId[]): void {
    for (const stream of streams) {
      const entry = slot.streams.holdKnown(stream);
      if (entry === undefined) continue;
      entry.interest = this.#context.interests.without(entry.interest, outbox);
      slot.streams.letGo(entry);
    }
  }

  async #decide(slot: Slot, user: UserId, stream: StreamId): Promise<Decided> {
    const entry = slot.streams.hold(stream);
    const pending: PendingAdmission = { user, revoked: false };
    entry.admitting = [...(entry.admitting ?? []), pending];
    const failure = await this.#refusal(slot, entry, user);
    return { entry, pending, failure };
  }

  #refusal(slot: Slot, entry: SlotEntry, user: UserId): Promise<Failure | undefined> | Failure | undefined {
    const { stream } = entry;
    if (isUserStream(stream) && stream !== user) return { kind: 'rejected', error: 'channel_not_found' };
    if (!isUserStream(stream) && !isTeamStream(stream)) return slot.admit(stream, user);
    // The user's own stream and the team's need no state: where they end is enough.
    return this.position(slot, entry);
  }

  /** Makes `entry.seq` known; the failure when it cannot be. */
  async position(slot: Slot, entry: SlotEntry): Promise<Failure | undefined> {
    if (isPlaced(slot, entry)) return undefined;
    const { stream } = entry;
    if (slot.grant.fence || entry.actor !== undefined) {
      const state = await slot.lookToListen(stream);
      // An actor that is ready has said what it fanned out last.
      return state === undefined || entry.seq < 0 ? retryable('activating') : undefined;
    }
    const last = await slot.reads.last(stream);
    if (!last.ok) return last.failure;
    if (last.value.epoch > slot.grant.epoch) {
      slot.fence(last.value.epoch);
      return retryable('fenced');
    }
    // An actor that came to life meanwhile knows better: what it has not fanned out yet is still to come.
    if (entry.actor === undefined) entry.seq = Math.max(entry.seq, last.value.seq);
    return entry.seq >= 0 ? undefined : retryable('activating');
  }

  #settle(slot: Slot, outbox: GatewayOutbox, { entry, pending, failure }: Decided): Admission {
    const { user } = pending;
    const { stream } = entry;
    const others = entry.admitting?.filter((other) => other !== pending) ?? [];
    entry.admitting = others.length > 0 ? others : undefined;
    const { seq } = entry;
    const admitted = failure === undefined && !pending.revoked;
    if (admitted) {
      entry.interest = this.#context.interests.with(entry.interest, outbox);
      outbox.after(stream);
    }
    slot.streams.letGo(entry);
    if (admitted) return { user, stream, admitted, seq };
    if (failure === undefined) return { user, stream, admitted: false, error: 'not_in_channel', retryable: true };
    const error = failure.kind === 'rejected' ? failure.error : failure.reason;
    return { user, stream, admitted: false, error, retryable: failure.kind !== 'rejected' };
  }

  /** Sends what the gateway misses after `cursor` (B2). Never rejects. */
  async #check(slot: Slot, stream: StreamId, outbox: GatewayOutbox, cursor: number): Promise<void> {
    const entry = slot.ended || outbox.gone ? undefined : slot.streams.holdKnown(stream);
    if (entry === undefined) return;
    const failure = await this.position(slot, entry);
    if (slot.ended || outbox.gone) return slot.streams.letGo(entry);
    const isChecked = failure === undefined && (await this.#serve(slot, entry, outbox, cursor));
    slot.streams.letGo(entry);
    if (isChecked || slot.ended || outbox.gone) return;
    // The gateway was told that its cursor is taken care of, and says it again in a minute only.
    this.#context.logger.debug('cursor_not_checked', { stream, slot: slot.number, failure });
    const again = (): void => this.#checks.add(() => this.#check(slot, stream, outbox, cursor));
    this.#context.clock.setTimeout(again, limits.cursorCheckRetryMs);
  }

  /** False: the log did not say what the gateway misses. */
  async #serve(slot: Slot, entry: SlotEntry, outbox: GatewayOutbox, cursor: number): Promise<boolean> {
    const { stream, seq: tail } = entry;
    if (cursor === tail) return true;
    if (cursor > tail) return this.#rewind(slot, stream, outbox, cursor, tail);
    if (tail - cursor <= limits.catchUpEventsMax) return this.#replay(slot, stream, outbox, cursor, tail);
    sayResync(outbox, stream, cursor, tail);
    return true;
  }

  /** The gateway has more than we: the log lost its end, or somebody else writes it and we do not own it any more. */
  async #rewind(slot: Slot, stream: StreamId, outbox: GatewayOutbox, cursor: number, tail: number): Promise<boolean> {
    const end = await this.#end(slot, stream);
    if (slot.ended || outbox.gone || end === undefined) return false;
    if (end.nextSeq <= cursor) sayResync(outbox, stream, cursor, tail);
    return true;
  }

  async #replay(slot: Slot, stream: StreamId, outbox: GatewayOutbox, cursor: number, tail: number): Promise<boolean> {
    const { hotTails, team } = this.#context;
    let position: LogPosition | undefined;
    for (let after = cursor; after < tail; ) {
      let events: readonly SequencedEvent[] | undefined = hotTails.between(
        stream,
        after,
        tail,
        limits.readAnswerBytesMax,
      );
      if (events === undefined) {
        position ??= await this.#end(slot, stream);
        if (position === undefined) return false;
        const read = await slot.reads.events(stream, position, {
          after,
          upTo: tail,
          limit: limits.resumeReadEventsMax,
        });
        if (slot.ended || outbox.gone || !read.ok) return false;
        if (read.value.gone) {
          sayResync(outbox, stream, after, tail);
          return true;
        }
        ({ events } = read.value);
      }
      for (const { seq, event } of events) sayEvent(outbox, stream, seq, event, team);
      after = events.at(-1)?.seq ?? tail;
    }
    return true;
  }

  async #end(slot: Slot, stream: StreamId): Promise<LogPosition | undefined> {
    const tail = await slot.reads.tail(stream);
    return tail.ok ? tail.value.position : undefined;
  }
}

/** Where the stream ends is known for certain. That it is empty may have been seen by one who did not fence it (B3). */
function isPlaced(slot: Slot, entry: SlotEntry): boolean {
  return entry.seq > 0 || (entry.seq === 0 && !slot.grant.fence);
}
