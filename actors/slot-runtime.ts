/**
 * The worker's side of the seam to the cluster (cluster/slot-host.ts): takes commands as bytes, finds the slot and the
 * stream, and owns what all actors of the process share.
 *
 * Invariants:
 * H1, H2  as cluster/slot-host.ts states them.
 * H3  A command that cannot be taken (not serving, too much open, mailbox full) is answered `retryable` at once; one
 *     that is malformed is dropped and counted: it has no id to answer to.
 */
import type { Messaging, RecordStore } from '../broker/broker.ts';
import type { CommandSender } from '../cluster/command-sender.ts';
import type { HotBudget } from '../cluster/hot-budget.ts';
import type { HotChunks, SlotGrant, SlotHost } from '../cluster/slot-host.ts';
import { slotOf } from '../cluster/slots.ts';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Rng } from '../platform/rng.ts';
import type { Envelope } from '../protocol/commands.ts';
import { decodeEnvelope } from '../protocol/envelopes.ts';
import { DecodeError, rejected, retryable } from '../protocol/errors.ts';
import type { Incarnation, TeamId, UserId } from '../protocol/ids.ts';
import { Answers, type Ticket } from './answers.ts';
import { AppendGate } from './append-gate.ts';
import { CommitWindow } from './commit-window.ts';
import { CursorChecks } from './cursor-checks.ts';
import { FanOutWays, type FanOutLimits } from './fan-out-ways.ts';
import { GatewayOutboxes } from './gateway-outbox.ts';
import { HotTails } from './hot-tail.ts';
import { HotStates } from './hot-states.ts';
import { unpackHot } from './hot-slot.ts';
import { InterestSets } from './interest.ts';
import { OpenSlots } from './open-slots.ts';
import { Passivation } from './passivation.ts';
import { PresenceSlot } from './presence-actor.ts';
import { ReadGate } from './read-gate.ts';
import { SlotCommands } from './slot-commands.ts';
import { Slot } from './slot.ts';
import { SnapshotStore } from './snapshot.ts';
import { Subscriptions } from './subscriptions.ts';
import type { WorkerContext } from './worker-context.ts';

export interface SlotHostOptions {
  readonly records: RecordStore;
  /** The commands lane: replies and batches travel on it, in order. */
  readonly messaging: Messaging;
  /** For notes to members' own streams. */
  readonly sender: Pick<CommandSender, 'toStream'>;
  readonly settings: SlotHostSettings;
  readonly incarnation: Incarnation;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface SlotHostSettings extends Partial<FanOutLimits> {
  /** Log streams of the cluster. */
  readonly partitions: number;
  /** Named in frames. */
  readonly team?: TeamId;
  /** Absent, as those of FanOutLimits: the limit of this name. */
  readonly actorIdleMs?: number;
}

/** `stop` ends the timers and sends what waits; slots are closed or abandoned before. */
export type RunningSlotHost = SlotHost & { stop(): void };

export function createSlotHost(options: SlotHostOptions): RunningSlotHost {
  return new SlotRuntime(options);
}

class SlotRuntime implements SlotHost {
  readonly #options: SlotHostOptions;
  readonly #context: WorkerContext;
  readonly #slots: OpenSlots;
  readonly #passivation: Passivation;
  readonly #checks: CursorChecks;
  readonly #commands: SlotCommands;
  readonly #fencedListeners: ((slot: number, epochSeen: number) => void)[] = [];
  #gateways: ReadonlyMap<Incarnation, string> = new Map();
  #serving = true;
  #beforeAppend: () => void = () => undefined;
  #openTickets = 0;
  #overflows = 0;
  #malformed = 0;
  #presenceUsers = 0;

  constructor(options: SlotHostOptions) {
    this.#options = options;
    const { clock } = options;
    this.#context = makeContext(options, () => this.#mayAppend());
    this.#slots = new OpenSlots(clock, (slot, grant, openedAtMs) => this.#make(slot, grant, openedAtMs));
    this.#passivation = new Passivation({
      clock,
      idleMs: options.settings.actorIdleMs ?? limits.actorIdleMs,
      bytesMax: limits.actorBytesPerWorkerMax,
      sweepMs: limits.passivationSweepMs,
    });
    this.#checks = new CursorChecks({
      clock,
      perSecondMax: limits.cursorChecksPerSecondMax,
      waitingMax: limits.cursorChecksWaitingMax,
    });
    this.#commands = new SlotCommands(this.#context, new Subscriptions(this.#context, this.#checks));
    this.#registerMetrics(options.metrics);
  }

  open(slot: number, grant: SlotGrant, hot: HotChunks = []): void {
    this.#slots.open(slot, grant);
    const made = hot.length === 0 ? undefined : this.#slots.get(slot);
    if (made !== undefined) for (const chunk of hot) this.#warm(made, chunk);
  }

  #make(slot: number, grant: SlotGrant, openedAtMs: number): Slot {
    return new Slot({
      context: this.#context,
      number: slot,
      grant,
      passivation: this.#passivation,
      serving: () => this.#serving,
      onFenced: (number, epochSeen) => this.#fenced(number, epochSeen),
      onTickets: (change) => {
        this.#openTickets += change;
      },
      onOverflow: () => {
        this.#overflows += 1;
      },
      makePresence: (owner) => this.#makePresence(owner, openedAtMs),
    });
  }

  /** Gateways that are not known here, or not any more, say themselves what they listen to. */
  #warm(slot: Slot, chunk: Uint8Array): void {
    try {
      for (const one of unpackHot(chunk)) {
        if (slotOf(one.stream) !== slot.number) continue;
        slot.warm({ ...one, gateways: one.gateways.filter(({ incarnation }) => this.#gateways.has(incarnation)) });
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#options.logger.warn('hot_chunk_unusable', { slot: slot.number, error });
    }
  }

  deliver(slot: number, bytes: Uint8Array, reply: string | undefined): void {
    const envelope = this.#decode(slot, bytes);
    if (envelope === undefined) return;
    const owner = this.#slots.get(slot);
    if (owner === undefined) return this.#answerStray(envelope, reply);
    const ticket: Ticket = {
      requestId: envelope.requestId,
      subject: reply,
      via: viaOf(envelope),
      bytes: bytes.length,
      owner,
    };
    owner.take(ticket);
    if (!owner.serving || this.#openTickets > limits.workerCommandsMax) {
      return this.#context.answers.failure(ticket, retryable(owner.serving ? 'overloaded' : 'not serving'));
    }
    if (envelope.to === 'slot') return this.#commands.handle(owner, ticket, envelope.command);
    if (slotOf(envelope.stream) !== slot) return this.#context.answers.failure(ticket, rejected('invalid_arguments'));
    owner.command(ticket, envelope.stream, envelope.command);
  }

  async close(slot: number, budget?: HotBudget): Promise<HotChunks> {
    const owner = this.#slots.ifMade(slot);
    if (owner === undefined) {
      this.#slots.forget(slot);
      return [];
    }
    const hot = await owner.close(budget);
    if (this.#slots.ifMade(slot) === owner) this.#slots.forget(slot);
    this.#context.answers.flush();
    this.#context.outboxes.flush();
    return hot;
  }

  abandon(slot: number, reason: string): void {
    const owner = this.#slots.ifMade(slot);
    this.#slots.forget(slot);
    owner?.abandon(reason);
  }

  setServing(serving: boolean): void {
    this.#serving = serving;
  }

  beforeAppend(check: () => void): void {
    this.#beforeAppend = check;
  }

  gatewayGone(gateway: Incarnation): void {
    const outbox = this.#context.outboxes.get(gateway);
    this.#context.outboxes.gatewayGone(gateway);
    if (outbox !== undefined) this.#context.interests.gatewayGone(outbox);
    for (const slot of this.#slots.made()) slot.presence.gatewayGone(gateway);
  }

  gatewaysAlive(gateways: ReadonlyMap<Incarnation, string>): void {
    this.#gateways = gateways;
    this.#context.ways.gatewaysAlive(gateways);
    for (const slot of this.#slots.made()) slot.presence.gatewaysChanged();
  }

  onFenced(listener: (slot: number, epochSeen: number) => void): void {
    this.#fencedListeners.push(listener);
  }

  actorCount(): number {
    return this.#passivation.count;
  }

  stop(): void {
    this.#checks.close();
    this.#passivation.close();
    this.#context.answers.flush();
    this.#context.outboxes.close();
  }

  #streamCount(): number {
    let count = 0;
    for (const slot of this.#slots.made()) count += slot.streams.size;
    return count;
  }

  #mayAppend(): boolean {
    this.#beforeAppend();
    return this.#serving;
  }

  #decode(slot: number, bytes: Uint8Array): Envelope | undefined {
    try {
      return decodeEnvelope(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#malformed += 1;
      this.#options.logger.debug('command_malformed', { slot, error });
      return undefined;
    }
  }

  /** A command of a slot that is not open here: its sender tries again and finds the owner. */
  #answerStray(envelope: Envelope, reply: string | undefined): void {
    const owner = { settle: () => true };
    const ticket = { requestId: envelope.requestId, subject: reply, via: viaOf(envelope), bytes: 0, owner };
    this.#context.answers.failure(ticket, retryable('not the owner'));
  }

  #fenced(slot: number, epochSeen: number): void {
    this.#options.logger.warn('slot_fenced', { slot, epochSeen });
    for (const listener of this.#fencedListeners) listener(slot, epochSeen);
  }

  #makePresence(slot: Slot, openedAtMs: number): PresenceSlot {
    return new PresenceSlot({
      openedAtMs,
      clock: this.#options.clock,
      outboxes: this.#context.outboxes,
      manualAway: (user: UserId) =>
        slot.look(user).then((state) => (state?.kind === 'user' ? state.manualAway : undefined)),
      gatewaysAlive: () => this.#gateways,
      takePlace: () => {
        if (this.#presenceUsers >= limits.presenceUsersPerWorkerMax) return false;
        this.#presenceUsers += 1;
        return true;
      },
      leavePlace: () => {
        this.#presenceUsers -= 1;
      },
    });
  }

  #registerMetrics(metrics: Metrics): void {
    const { hotTails, hotStates, activated } = this.#context;
    metrics.gaugeOf('belfry_actors', 'Actors in memory.', () => this.actorCount());
    metrics.gaugeOf('belfry_streams', 'Streams that somebody listens to or works with.', () => this.#streamCount());
    metrics.gaugeOf('belfry_slots_owned', 'Slots that this worker owns.', () => this.#slots.count);
    metrics.gaugeOf('belfry_presence_users', 'Users whose presence is kept.', () => this.#presenceUsers);
    metrics.gaugeOf('belfry_commands_open', 'Commands that wait for their answer.', () => this.#openTickets);
    metrics.gaugeOf('belfry_hot_tail_bytes', 'Bytes of events kept in memory.', () => hotTails.bytes);
    metrics.gaugeOf('belfry_hot_state_bytes', 'Bytes left by former owners.', () => hotStates.bytes);
    metrics.counterOf('belfry_activations_cold_total', 'Actors built from their logs.', () => activated.cold);
    metrics.counterOf('belfry_activations_hot_total', 'Actors taken over as they were.', () => activated.hot);
    metrics.gaugeOf('belfry_cursor_checks_waiting', 'Cursors to be checked.', () => this.#checks.waiting);
    metrics.counterOf('belfry_mailbox_overflows_total', 'Commands refused by a full mailbox.', () => this.#overflows);
    metrics.counterOf('belfry_commands_malformed_total', 'Commands dropped as malformed.', () => this.#malformed);
  }
}

/** A subscription's answer always travels with the events. */
function viaOf(envelope: Envelope): Envelope['via'] {
  if (envelope.via !== undefined) return envelope.via;
  return envelope.to === 'slot' && envelope.command.kind === 'admit' ? envelope.command.gateway : undefined;
}

function makeContext(options: SlotHostOptions, mayAppend: () => boolean): WorkerContext {
  const { clock, logger, messaging, records, sender, incarnation, metrics, settings } = options;
  const { partitions, team, actorIdleMs: _, ...fanOutLimits } = settings;
  const { hops, queues } = metrics;
  const batching = { fanoutTimer: hops.fanout, waits: queues.batch };
  const outboxes = new GatewayOutboxes({ worker: incarnation, messaging, clock, ...batching });
  let recordNumber = 0;
  const onBug = (error: unknown): void => logger.error('read_failed', { error });
  return {
    clock,
    logger,
    sender,
    outboxes,
    ways: new FanOutWays(fanOutLimits),
    answers: new Answers(messaging, outboxes, clock),
    hotTails: new HotTails({
      eventsPerStreamMax: limits.hotTailEventsPerChannelMax,
      bytesMax: limits.hotTailBytesPerWorkerMax,
    }),
    hotStates: new HotStates(limits.hotStatesBytesMax),
    activated: { cold: 0, hot: 0 },
    interests: new InterestSets(),
    snapshots: new SnapshotStore({ records, logger }),
    logs: { store: records, clock, makeRecordId: () => `${incarnation}.${++recordNumber}`, mayAppend },
    reads: new ReadGate(limits.actorReadsInFlightMax, limits.actorReadsWaitingMax, onBug),
    activations: new ReadGate(limits.activationsInFlightMax, limits.actorReadsWaitingMax, onBug),
    appends: new AppendGate({ inFlightMax: limits.appendsInFlightMax, clock, waits: queues.append }),
    commitWindow: new CommitWindow(clock, queues.commit),
    appendTimer: hops.append,
    mailboxWaits: queues.mailbox,
    partitions,
    team,
  };
}
