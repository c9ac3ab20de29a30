/**
 * One slot that this worker owns: its streams (slot-streams.ts), each with an actor only while something is asked of it;
 * and its presence actors.
 *
 * Invariants:
 * S1  At most one actor per stream, and its entry is awake as long as it lives.
 * S2  After `abandon`, or when `close` resolved, nothing of the slot is appended, fanned out or newly answered.
 */
import { setMaxListeners } from 'node:events';
import { retryable, unknownFate, type Failure } from '../protocol/errors.ts';
import type { StreamCommand } from '../protocol/commands.ts';
import type { StreamId, UserId } from '../protocol/ids.ts';
import { limits } from '../platform/limits.ts';
import type { HotBudget } from '../cluster/hot-budget.ts';
import type { HotChunks, SlotGrant } from '../cluster/slot-host.ts';
import { ActorCell } from './actor-cell.ts';
import type { Ticket, TicketOwner } from './answers.ts';
import { ChannelActor } from './channel-actor.ts';
import type { StreamState } from './channel-state.ts';
import { packHot, type HotStream } from './hot-slot.ts';
import { isNobody } from './interest.ts';
import type { Passivable, Passivation } from './passivation.ts';
import type { PresenceSlot } from './presence-actor.ts';
import type { RestingStream } from './resting-streams.ts';
import { SlotStreams, type SlotEntry } from './slot-streams.ts';
import { StreamReads } from './stream-reads.ts';
import { refuse, type ActorMessage } from './turn-answers.ts';
import type { StreamHome, WorkerContext } from './worker-context.ts';

export interface SlotOptions {
  readonly context: WorkerContext;
  readonly number: number;
  readonly grant: SlotGrant;
  readonly passivation: Passivation;
  readonly serving: () => boolean;
  readonly onFenced: (slot: number, epochSeen: number) => void;
  readonly onTickets: (change: number) => void;
  readonly onOverflow: () => void;
  readonly makePresence: (slot: Slot) => PresenceSlot;
}

/** An actor's cell as passivation sees it. */
export interface HostedActor extends Passivable {
  readonly cell: ActorCell<ActorMessage, ChannelActor>;
}

/** A reason of its own spares each of thousands of slots an exception with its stack. */
const SLOT_ENDED = 'slot ended';

export class Slot implements TicketOwner {
  readonly number: number;
  readonly grant: SlotGrant;
  readonly presence: PresenceSlot;
  readonly reads: StreamReads;
  readonly streams: SlotStreams;
  readonly #options: SlotOptions;
  readonly #tickets = new Set<Ticket>();
  readonly #ended = new AbortController();
  #fenced = false;
  /** As the signal says; reading that one costs too much for every command. */
  #isEnded = false;
  #closing = false;
  #whenSettled: (() => void) | undefined;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.number = options.number;
    this.grant = options.grant;
    // Every read and activation of the slot listens while it lasts; they are bounded over the worker.
    setMaxListeners(0, this.#ended.signal);
    this.reads = new StreamReads(options.context, options.number, this.#ended.signal);
    this.streams = new SlotStreams(options.context.interests);
    this.presence = options.makePresence(this);
  }

  get epoch(): number {
    return this.grant.epoch;
  }

  get ended(): boolean {
    return this.#isEnded;
  }

  get serving(): boolean {
    return !this.#fenced && !this.#isEnded && this.#options.serving();
  }

  /** Counts a command as open until it is answered. */
  take(ticket: Ticket): void {
    this.#tickets.add(ticket);
    this.#options.onTickets(1);
  }

  settle(ticket: Ticket): boolean {
    if (!this.#tickets.delete(ticket)) return false;
    this.#options.onTickets(-1);
    if (this.#tickets.size === 0) this.#whenSettled?.();
    return true;
  }

  command(ticket: Ticket, stream: StreamId, command: StreamCommand): void {
    this.#tell(stream, { kind: 'command', command, ticket }, weightOf(command, ticket.bytes));
  }

  /** Asks the stream's actor; undefined: the user may subscribe. */
  admit(stream: StreamId, user: UserId): Promise<Failure | undefined> {
    return new Promise((resolve) => this.#tell(stream, { kind: 'admit', user, done: resolve }, 0));
  }

  /** The stream's committed state, through its actor; undefined when it is not to be had now. */
  look(stream: StreamId): Promise<StreamState | undefined> {
    return this.#look(stream, false);
  }

  /** As `look`, for somebody who is to hear of everything behind it. */
  lookToListen(stream: StreamId): Promise<StreamState | undefined> {
    return this.#look(stream, true);
  }

  #look(stream: StreamId, toListen: boolean): Promise<StreamState | undefined> {
    return new Promise((resolve) => this.#tell(stream, { kind: 'look', toListen, done: resolve }, 0));
  }

  /** A log of ours showed a higher epoch: another owner exists, or existed. */
  fence(epochSeen: number): void {
    this.#fenced = true;
    this.#options.onFenced(this.number, epochSeen);
  }

  /** A stream as the former owner left it. Before the first command, as everything of it. */
  warm({ stream, seq, gateways, actor }: HotStream): void {
    const { interests, outboxes, hotStates } = this.#options.context;
    if (actor !== undefined) hotStates.hold(this.number, stream, actor);
    if (gateways.length === 0) return;
    const entry = this.streams.hold(stream);
    entry.seq = seq;
    for (const gateway of gateways) entry.interest = interests.with(entry.interest, outboxes.of(gateway));
    this.streams.letGo(entry);
  }

  /**
   * Who only waits for members to be told is sent to the next owner, which does that. Gives what that one may begin with.
   */
  async close(budget: HotBudget | undefined): Promise<HotChunks> {
    this.#closing = true;
    for (const { actor } of this.streams.awake()) actor?.cell.behaviour?.hurry();
    if (this.#tickets.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenSettled = resolve;
      });
    }
    await Promise.all(
      [...this.streams.awake()].flatMap(({ actor }) => (actor === undefined ? [] : [actor.cell.idle()])),
    );
    // Who is not sure of its slots says nothing about them.
    const hot = budget === undefined || !this.serving ? [] : packHot(this.#hotStreams(), budget);
    this.#end(retryable('slot moved'));
    return hot;
  }

  /** Those with an actor first; encoded one by one as they are asked for. */
  *#hotStreams(): Generator<HotStream> {
    const { hotStates, interests } = this.#options.context;
    const left = hotStates.of(this.number);
    const told: SlotEntry[] = [];
    for (const entry of this.streams.awake()) {
      const actor = entry.actor?.cell.behaviour?.hot() ?? left.get(entry.stream);
      if (actor !== undefined) yield hotStream(entry, actor);
      else if (entry.seq > 0 && !isNobody(entry.interest)) told.push(entry);
    }
    // What nobody has asked for here since it came.
    for (const [stream, actor] of left) {
      if (this.streams.isAwake(stream)) continue;
      yield hotStream(this.streams.resting(stream) ?? { stream, seq: -1, interest: interests.nobody }, actor);
    }
    for (const entry of told) yield hotStream(entry, undefined);
    for (const stream of this.streams.allResting()) {
      if (stream.seq > 0 && !left.has(stream.stream) && !isNobody(stream.interest)) yield hotStream(stream, undefined);
    }
  }

  abandon(reason: string): void {
    this.#end(unknownFate(reason));
  }

  #end(failure: Failure): void {
    this.#isEnded = true;
    this.#ended.abort(SLOT_ENDED);
    this.presence.close();
    for (const { actor } of this.streams.awake()) {
      if (actor === undefined) continue;
      actor.cell.stop('slot moved');
      this.#options.passivation.forget(actor);
    }
    this.streams.end();
    this.#options.context.hotStates.drop(this.number);
    for (const ticket of [...this.#tickets]) this.#options.context.answers.failure(ticket, failure);
  }

  #tell(stream: StreamId, message: ActorMessage, bytes: number): void {
    if (!this.serving) return refuse(this.#options, message, retryable('not serving'));
    const entry = this.streams.wake(stream);
    entry.actor ??= this.#host(entry);
    if (entry.actor.cell.tell(message, bytes)) return;
    this.#options.onOverflow();
    refuse(this.#options, message, retryable('busy'));
  }

  #host(entry: SlotEntry): HostedActor {
    const { context, passivation } = this.#options;
    const home = this.#home(entry);
    const cell = new ActorCell<ActorMessage, ChannelActor>({
      name: entry.stream,
      clock: context.clock,
      logger: context.logger,
      mailbox: { messagesMax: limits.mailboxMessagesMax, bytesMax: limits.mailboxBytesMax },
      restartsMax: limits.actorRestartsMax,
      restartWindowMs: limits.actorRestartWindowMs,
      create: () => new ChannelActor(home),
      refuse: (message, failure) => refuse(home, message, failure),
      idle: () => this.#idle(entry),
      waits: context.mailboxWaits,
    });
    const actor = { cell, passivate: () => this.#passivate(entry) };
    passivation.used(actor, 0);
    return actor;
  }

  #home(entry: SlotEntry): StreamHome {
    const { context, number, grant } = this.#options;
    return {
      context,
      slot: number,
      epoch: grant.epoch,
      fence: grant.fence,
      entry,
      signal: this.#ended.signal,
      serving: () => this.serving,
      closing: () => this.#closing,
      reads: this.reads,
      fenced: (epochSeen) => this.fence(epochSeen),
      manualPresenceChanged: (user, away) => this.presence.manualChanged(user, away),
      presence: (user, manualAway) => this.presence.answer(user, manualAway),
    };
  }

  /** Nothing waits for the actor. One without a log is not kept: anybody can ask for ids that do not exist. */
  #idle(entry: SlotEntry): void {
    const { actor } = entry;
    if (actor === undefined) return;
    const { behaviour } = actor.cell;
    if (behaviour?.isVoid === true && this.#passivate(entry)) this.#options.passivation.forget(actor);
    else this.#options.passivation.used(actor, behaviour?.bytes ?? 0);
  }

  #passivate(entry: SlotEntry): boolean {
    const { actor } = entry;
    if (actor === undefined || actor.cell.busy) return false;
    entry.actor = undefined;
    actor.cell.stop('passivated');
    this.streams.restIfUnused(entry);
    return true;
  }
}

function hotStream({ stream, seq, interest }: RestingStream, actor: Uint8Array | undefined): HotStream {
  return { stream, seq, gateways: interest.outboxes.filter((outbox) => !outbox.gone).map(({ ref }) => ref), actor };
}

/** What a command counts for in a record: an invitation becomes one event per user. */
function weightOf(command: StreamCommand, bytes: number): number {
  return command.kind === 'invite' ? bytes + command.users.length * 200 : bytes;
}
