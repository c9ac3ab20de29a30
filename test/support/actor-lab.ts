/**
 * Workers without a cluster around them: slot hosts on a broker, given their slots by the test, a router that sends them
 * commands, and gateways that keep every batch they get and check its numbering.
 */
import { expect } from 'vitest';
import { createSlotHost, type RunningSlotHost, type SlotHostSettings } from '../../actors/slot-runtime.ts';
import type { Broker, BrokerMessage, Subscription } from '../../broker/broker.ts';
import { COMMAND_QUEUE, SLOTS, subjects } from '../../broker/subjects.ts';
import { CommandRouter } from '../../cluster/command-router.ts';
import { slotOf } from '../../cluster/slots.ts';
import { systemClock, type Clock } from '../../platform/clock.ts';
import { createMemoryLogger, type LogLine } from '../../platform/logger.ts';
import { createMetrics, type Metrics } from '../../platform/metrics.ts';
import { SeededRng } from '../../platform/rng.ts';
import { decodeBatch, type BatchEntry } from '../../protocol/batches.ts';
import type {
  GatewayRef,
  Reply,
  SlotCommand,
  SlotResult,
  StreamCommand,
  StreamResult,
} from '../../protocol/commands.ts';
import { decodeReplies, encodeEnvelope } from '../../protocol/envelopes.ts';
import type { Failure } from '../../protocol/errors.ts';
import type { ChannelMeta } from '../../protocol/events.ts';
import type { ChannelId, Incarnation, MutationId, StreamId, TeamId, UserId } from '../../protocol/ids.ts';

export const TEAM = 'T0TEAM' as TeamId;
export const ALICE = 'U0ALICE' as UserId;
export const BOB = 'U0BOB00' as UserId;
export const CAROL = 'U0CAROL' as UserId;
export const GENERAL = 'C0GENERAL' as ChannelId;

/** One subscription for every slot: a worker's thousands cost an in-memory broker too much. */
const ALL_COMMANDS = 'belfry.cmd.*';

export const mutation = (text: string | number) => `m-${text}` as MutationId;
export const userId = (n: number) => `U${String(n).padStart(7, '0')}` as UserId;

export function channelMeta(id: ChannelId = GENERAL, rest: Partial<ChannelMeta> = {}): ChannelMeta {
  const base = {
    id,
    team: TEAM,
    kind: 'public',
    name: 'general',
    creator: ALICE,
    created: 1,
    isGeneral: false,
  } as const;
  return { ...base, ...rest };
}

export function post(user: UserId, text: string, id: string | number): Extract<StreamCommand, { kind: 'post' }> {
  return { kind: 'post', author: { user }, draft: { text }, mutation: mutation(id) };
}

/** A host with the slots that the test gives it. It hears the commands of all. */
export class LabWorker {
  readonly incarnation: Incarnation;
  readonly host: RunningSlotHost;
  readonly metrics: Metrics;
  readonly logs: readonly LogLine[];
  readonly fenced: number[] = [];
  readonly #broker: Broker;
  readonly #router: CommandRouter;
  #directs = 0;
  readonly #owned = new Set<number>();
  readonly #subscription: Subscription;

  constructor(broker: Broker, name: string, clock: Clock, settings: Partial<SlotHostSettings> = {}) {
    this.incarnation = name as Incarnation;
    this.#broker = broker;
    const { logger, lines } = createMemoryLogger();
    this.logs = lines;
    this.#router = new CommandRouter({ lane: broker.commands, self: this.incarnation, clock, logger });
    this.metrics = createMetrics({ role: 'worker', id: name, processMetrics: false });
    this.host = createSlotHost({
      records: broker.records,
      messaging: broker.commands,
      sender: this.#router,
      settings: { partitions: 1, team: TEAM, ...settings },
      incarnation: this.incarnation,
      clock,
      rng: new SeededRng(1),
      logger,
      metrics: this.metrics,
    });
    this.host.onFenced((slot) => this.fenced.push(slot));
    const deliver = ({ subject, data, reply }: BrokerMessage): void =>
      this.host.deliver(Number(subject.slice(subject.lastIndexOf('.') + 1)), data, reply);
    this.#subscription = broker.commands.subscribe(ALL_COMMANDS, deliver, { queue: COMMAND_QUEUE });
  }

  own(slot: number, epoch = 1, fence = false): void {
    this.host.open(slot, { epoch, fence });
    this.#owned.add(slot);
  }

  ownAll(epoch = 1): void {
    for (let slot = 0; slot < SLOTS; slot++) this.own(slot, epoch);
  }

  async leave(slot: number): Promise<void> {
    await this.host.close(slot);
    this.#owned.delete(slot);
  }

  /** Past the subjects, as a command that an owner took before it lost the slot. */
  direct<K extends StreamCommand['kind']>(
    stream: StreamId,
    command: Extract<StreamCommand, { kind: K }>,
  ): Promise<Reply<StreamResult<K>>> {
    const requestId = ++this.#directs;
    const asker = `direct-${this.incarnation}` as Incarnation;
    return new Promise((resolve) => {
      const replies = this.#broker.commands.subscribe(subjects.replies(asker), ({ data }) => {
        const own = decodeReplies(Uint8Array.from(data)).find((reply) => reply.requestId === requestId);
        if (own === undefined) return;
        replies.unsubscribe();
        resolve(own as Reply<StreamResult<K>>);
      });
      const subject = subjects.reply(asker, requestId);
      this.host.deliver(slotOf(stream), encodeEnvelope({ to: 'stream', requestId, stream, command }), subject);
    });
  }

  /** As a process that lost its slots without a word to its actors: they go on appending if they can. */
  deafen(): void {
    this.#subscription.unsubscribe();
  }

  stop(): void {
    this.deafen();
    for (const slot of this.#owned) this.host.abandon(slot, 'test ends');
    this.host.stop();
  }
}

/** Keeps what it is sent; fails on a batch out of sequence. */
export class LabGateway {
  readonly ref: GatewayRef;
  readonly entries: BatchEntry[] = [];
  /** Asks in the gateway's name: the answers come as entries. */
  readonly client: LabClient;
  batches = 0;
  readonly #numbers = new Map<Incarnation, number>();

  constructor(broker: Broker, name: string, clock: Clock = systemClock) {
    this.ref = { region: 'local', incarnation: name as Incarnation };
    this.client = new LabClient(broker, name, clock, this.ref);
    broker.commands.subscribe(subjects.batch(this.ref), ({ data }) => this.#take(Uint8Array.from(data)));
  }

  #take(bytes: Uint8Array): void {
    const batch = decodeBatch(bytes);
    const last = this.#numbers.get(batch.worker) ?? 0;
    if (batch.entries.length === 0) return expect(batch.number).toBe(last);
    expect(batch.number).toBe(last + 1);
    this.#numbers.set(batch.worker, batch.number);
    this.batches += 1;
    this.entries.push(...batch.entries);
    for (const entry of batch.entries) if (entry.kind === 'reply') this.client.router.resolve(entry.reply);
  }

  seqs(stream: StreamId): number[] {
    return this.entries.flatMap((entry) => (entry.kind === 'event' && entry.stream === stream ? [entry.seq] : []));
  }

  frames(stream: StreamId): Record<string, unknown>[] {
    return this.entries.flatMap((entry) => {
      const said = (entry.kind === 'event' || entry.kind === 'transient') && entry.stream === stream;
      return said ? [JSON.parse(Buffer.from(entry.frame).toString()) as Record<string, unknown>] : [];
    });
  }

  of<K extends BatchEntry['kind']>(kind: K): Extract<BatchEntry, { kind: K }>[] {
    return this.entries.filter((entry): entry is Extract<BatchEntry, { kind: K }> => entry.kind === kind);
  }
}

/** Who asks: a webapp, or a gateway that wants its answers in its batches. */
export class LabClient {
  readonly router: CommandRouter;

  constructor(broker: Broker, name: string, clock: Clock = systemClock, via?: GatewayRef) {
    const { logger } = createMemoryLogger();
    const self = name as Incarnation;
    this.router = new CommandRouter({ lane: broker.commands, self, clock, logger, ...(via && { via }) });
  }

  async ask<K extends StreamCommand['kind']>(
    stream: StreamId,
    command: Extract<StreamCommand, { kind: K }>,
  ): Promise<StreamResult<K>> {
    const outcome = await this.router.toStream<K>(stream, command);
    if (!outcome.ok) throw new Error(`${command.kind}: ${JSON.stringify(outcome.failure)}`);
    return outcome.result;
  }

  async refusal<K extends StreamCommand['kind']>(
    stream: StreamId,
    command: Extract<StreamCommand, { kind: K }>,
  ): Promise<Failure> {
    const outcome = await this.router.toStream<K>(stream, command, { deadlineMs: 1_000 });
    if (outcome.ok) throw new Error(`${command.kind} was carried out`);
    return outcome.failure;
  }

  async askSlot<K extends SlotCommand['kind']>(
    stream: StreamId,
    command: Extract<SlotCommand, { kind: K }>,
  ): Promise<SlotResult<K>> {
    const outcome = await this.router.toSlot<K>(slotOf(stream), command);
    if (!outcome.ok) throw new Error(`${command.kind}: ${JSON.stringify(outcome.failure)}`);
    return outcome.result;
  }
}
