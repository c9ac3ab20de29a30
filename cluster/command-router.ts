/**
 * CommandSender over the broker: one wildcard reply subscription, integer ids, one timer for all time-outs.
 *
 * Invariants (besides S1 and S2 of command-sender.ts):
 * C1  Each published attempt has a fate: carried out, surely not (503, `retryable`), or open. A command fails as
 *     `retryable` only when no attempt's fate is open.
 * C2  A wheel of time slots replaces a timer per command; it turns one slot a tick, so that after a stall of ours the
 *     replies waiting in the socket are read before anything is sent again. Deadlines go by the clock.
 * C3  Commands to one slot are first sent in the order in which they were given.
 * C4  What a slot command registers with somebody who is not the slot's owner is worth nothing: a former owner that
 *     does not know yet that it is one still has its share of the slot's commands, and one that got the slot back
 *     forgets what it registered under its former epoch. Such an answer is no answer.
 * C5  When a slot gets a new owner, what waits for the old one's answer does not wait for its time-out: a killed worker
 *     took those commands with it.
 * C6  First attempts of one turn of the loop at slots of one worker travel as one message to that worker, where the table
 *     at hand names it; whoever does not serve the slot passes them on. Every other attempt goes to the slot's subject,
 *     so that nothing depends on that table. A 503 for such a message is one for each of its attempts.
 */
import type { BrokerMessage, Messaging, Subscription } from '../broker/broker.ts';
import { replyAddress, requestIdOf, subjects } from '../broker/subjects.ts';
import { TurnBundles } from '../broker/turn-bundles.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';
import type {
  Envelope,
  GatewayRef,
  Reply,
  SlotCommand,
  SlotResult,
  StreamCommand,
  StreamResult,
} from '../protocol/commands.ts';
import { decodeReplies, encodeBundle, encodeEnvelope, ENVELOPE_BYTES_MAX } from '../protocol/envelopes.ts';
import { DecodeError, rejected, retryable, unknownFate, type Failure } from '../protocol/errors.ts';
import type { SlotRow } from '../protocol/cluster.ts';
import type { Incarnation, StreamId } from '../protocol/ids.ts';
import type { CommandOutcome, CommandSender, SendOptions } from './command-sender.ts';
import { slotOf } from './slots.ts';

export interface CommandRouterOptions {
  readonly lane: Messaging;
  readonly self: Incarnation;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long each command took, from here to its outcome. Absent: nothing is measured. */
  readonly routeTimer?: DurationTimer;
  /** A gateway's replies travel in its batches; it hands them to `resolve`. */
  readonly via?: GatewayRef;
  /** A slot's row, as far as the table at hand says (C4). Absent: any answer counts. */
  readonly rowOf?: (slot: number) => Pick<SlotRow, 'owner' | 'epoch'> | undefined;
  /** Who serves the slot, as far as the table at hand says (C6). Absent: every attempt goes to the slot's subject. */
  readonly ownerOf?: (slot: number) => Incarnation | undefined;
}

interface Pending {
  readonly id: number;
  readonly slot: number;
  /** It is about the slot itself: it registers something with the slot's owner (C4). */
  readonly isOfSlot: boolean;
  readonly bytes: Uint8Array;
  readonly startedMs: number;
  readonly deadlineMs: number;
  readonly settle: (outcome: CommandOutcome<unknown>) => void;
  /** Attempts whose fate is open (C1). */
  open: number;
  /** The message that its first attempt was part of (C6). */
  bundle: number | undefined;
  backoffMs: number;
  /** The tick at which it is looked at next; an older place in the wheel is stale. */
  dueTick: number;
  reason: string;
}

const WHEEL_SLOTS = 64;
const RESEND_TICKS = limits.commandResendMs / limits.commandSweepMs;

export class CommandRouter implements CommandSender {
  readonly #options: CommandRouterOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #wheel: Pending[][] = Array.from({ length: WHEEL_SLOTS }, () => []);
  readonly #bundles: TurnBundles<Pending>;
  readonly #replyPrefix: string;
  readonly #subscription: Subscription;
  readonly #stopStatus: () => void;
  #connected: boolean;
  #tick = 0;
  #timer: Timer | undefined;
  #nextId = 1;
  #closed = false;

  constructor(options: CommandRouterOptions) {
    const { lane, self } = options;
    this.#options = options;
    this.#replyPrefix = `${replyAddress(subjects.replies(self))}.`;
    this.#bundles = new TurnBundles({
      clock: options.clock,
      bytesMax: limits.commandBundleBytesMax,
      send: (owner, commands) => this.#attemptTogether(owner as Incarnation, commands),
    });
    this.#connected = lane.status() === 'connected';
    this.#stopStatus = lane.onStatus((status) => (this.#connected = status === 'connected'));
    this.#subscription = lane.subscribe(subjects.replies(self), (message) => this.#receive(message));
  }

  /** Commands waiting for their outcome. */
  get inFlight(): number {
    return this.#pending.size;
  }

  toStream<K extends StreamCommand['kind']>(
    stream: StreamId,
    command: Extract<StreamCommand, { kind: K }>,
    options?: SendOptions,
  ): Promise<CommandOutcome<StreamResult<K>>> {
    const envelope: Envelope = { to: 'stream', requestId: this.#nextId++, stream, command };
    return this.#send(slotOf(stream), envelope, options) as Promise<CommandOutcome<StreamResult<K>>>;
  }

  toSlot<K extends SlotCommand['kind']>(
    slot: number,
    command: Extract<SlotCommand, { kind: K }>,
    options?: SendOptions,
  ): Promise<CommandOutcome<SlotResult<K>>> {
    const envelope: Envelope = { to: 'slot', requestId: this.#nextId++, slot, command };
    return this.#send(slot, envelope, options) as Promise<CommandOutcome<SlotResult<K>>>;
  }

  /** A reply that came another way (an entry of a batch of `by`). One nobody waits for is ignored: it was answered before. */
  resolve(reply: Reply, by?: Incarnation): void {
    const pending = this.#pending.get(reply.requestId);
    if (pending === undefined) return;
    if (by !== undefined && this.#isStray(pending, by, reply.epoch)) this.#failed(pending, retryable('not the owner'));
    else if (reply.ok) this.#settle(pending, { ok: true, result: reply.result });
    else this.#failed(pending, reply.failure);
  }

  /** C4 */
  #isStray({ slot, isOfSlot }: Pending, by: Incarnation, epoch: number | undefined): boolean {
    const row = isOfSlot ? this.#options.rowOf?.(slot) : undefined;
    if (row?.owner === undefined) return false;
    return row.owner !== by || (epoch !== undefined && epoch < row.epoch);
  }

  /** C5: their new owners serve them, or are about to. What waits for an answer or for its next attempt is sent again. */
  slotsServed(slots: readonly number[]): void {
    if (this.#pending.size === 0) return;
    const served = new Set(slots);
    for (const pending of this.#pending.values()) {
      if (!served.has(pending.slot)) continue;
      pending.backoffMs = limits.commandBackoffFirstMs;
      this.#lookAgain(pending, 0);
    }
  }

  /** Everything that waits fails now: as `unknown` where something was sent. */
  close(): void {
    this.#closed = true;
    this.#subscription.unsubscribe();
    this.#stopStatus();
    this.#timer?.cancel();
    for (const pending of [...this.#pending.values()]) {
      pending.reason = 'closing';
      this.#giveUp(pending);
    }
  }

  #send(slot: number, envelope: Envelope, options: SendOptions | undefined): Promise<CommandOutcome<unknown>> {
    if (this.#closed) return failed(retryable('closing'));
    if (this.#pending.size >= limits.commandsInFlightMax) return failed(retryable('overloaded'));
    const { via, clock } = this.#options;
    const bytes = encodeEnvelope(via === undefined ? envelope : { ...envelope, via });
    if (bytes.length > ENVELOPE_BYTES_MAX) return failed(rejected('invalid_arguments'));
    const startedMs = clock.monotonicMs();
    const deadlineMs = startedMs + (options?.deadlineMs ?? limits.commandBudgetMs);
    return new Promise((settle) => {
      const id = envelope.requestId;
      const pending: Pending = {
        id,
        slot,
        isOfSlot: envelope.to === 'slot',
        bytes,
        startedMs,
        deadlineMs,
        settle,
        open: 0,
        bundle: undefined,
        backoffMs: limits.commandBackoffFirstMs,
        dueTick: 0,
        reason: 'no_reply',
      };
      this.#pending.set(id, pending);
      this.#begin(pending);
    });
  }

  /** C3, C6 */
  #begin(pending: Pending): void {
    const owner = this.#options.ownerOf?.(pending.slot);
    if (owner !== undefined) return this.#bundles.add(owner, pending, pending.bytes.length);
    this.#bundles.flush();
    this.#attempt(pending);
  }

  /** C6 */
  #attemptTogether(owner: Incarnation, given: readonly Pending[]): void {
    const commands = given.filter(({ id }) => this.#pending.has(id));
    if (commands.length < 2 || !this.#connected) {
      for (const pending of commands) this.#attempt(pending);
      return;
    }
    const bundle = this.#nextId++;
    for (const pending of commands) {
      pending.bundle = bundle;
      pending.open += 1;
      this.#lookAgain(pending, RESEND_TICKS);
    }
    this.#options.lane.publish(subjects.commands(owner), encodeBundle(commands), this.#replyPrefix + bundle);
  }

  /** Nothing is published while disconnected: a lost attempt's fate would be open for nothing. */
  #attempt(pending: Pending): void {
    if (this.#connected) {
      pending.open += 1;
      const { id, slot, bytes } = pending;
      this.#options.lane.publish(subjects.command(slot), bytes, this.#replyPrefix + id);
      this.#lookAgain(pending, RESEND_TICKS);
    } else {
      pending.reason = 'disconnected';
      this.#backOff(pending);
    }
  }

  #receive(message: BrokerMessage): void {
    if (!message.noResponders) {
      for (const reply of this.#decode(message.data)) this.resolve(reply);
      return;
    }
    const id = requestIdOf(message.subject);
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (pending !== undefined) return this.#failed(pending, retryable('no_owner'));
    for (const one of this.#pending.values()) if (one.bundle === id) this.#failed(one, retryable('no_owner'));
  }

  #decode(data: Uint8Array): readonly Reply[] {
    try {
      return decodeReplies(data);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#options.logger.warn('reply_malformed', { reason: error.message });
      return [];
    }
  }

  #failed(pending: Pending, failure: Failure): void {
    switch (failure.kind) {
      case 'rejected':
        this.#settle(pending, { ok: false, failure });
        return;
      case 'retryable':
        pending.open = Math.max(0, pending.open - 1);
        pending.reason = failure.reason;
        this.#backOff(pending);
        return;
      case 'unknown':
        // The same id and mutation once more finds out; until then this attempt's fate stays open.
        pending.reason = failure.reason;
        this.#backOff(pending);
        return;
      default:
        failure satisfies never;
    }
  }

  #backOff(pending: Pending): void {
    this.#lookAgain(pending, Math.max(1, Math.round(pending.backoffMs / limits.commandSweepMs)));
    pending.backoffMs = Math.min(pending.backoffMs * 2, limits.commandBackoffLastMs);
  }

  #lookAgain(pending: Pending, ticks: number): void {
    // The tick under way is partly over: one more keeps the wait from being shorter than asked for.
    pending.dueTick = this.#tick + ticks + 1;
    this.#wheel[pending.dueTick % WHEEL_SLOTS]?.push(pending);
    this.#timer ??= this.#options.clock.setTimeout(() => this.#turn(), limits.commandSweepMs);
  }

  #turn(): void {
    this.#tick += 1;
    const at = this.#tick % WHEEL_SLOTS;
    const due = this.#wheel[at] ?? [];
    this.#wheel[at] = [];
    this.#timer = undefined;
    const nowMs = due.length > 0 ? this.#options.clock.monotonicMs() : 0;
    for (const pending of due) {
      if (pending.dueTick !== this.#tick || !this.#pending.has(pending.id)) continue;
      if (nowMs >= pending.deadlineMs) this.#giveUp(pending);
      else this.#attempt(pending);
    }
    if (this.#pending.size > 0) {
      this.#timer ??= this.#options.clock.setTimeout(() => this.#turn(), limits.commandSweepMs);
    }
  }

  /** C1 */
  #giveUp(pending: Pending): void {
    const failure = pending.open > 0 ? unknownFate(pending.reason) : retryable(pending.reason);
    this.#settle(pending, { ok: false, failure });
  }

  #settle(pending: Pending, outcome: CommandOutcome<unknown>): void {
    this.#pending.delete(pending.id);
    const { routeTimer, clock } = this.#options;
    routeTimer?.observe(clock.monotonicMs() - pending.startedMs);
    pending.settle(outcome);
  }
}

function failed(failure: Failure): Promise<CommandOutcome<unknown>> {
  return Promise.resolve({ ok: false, failure });
}
