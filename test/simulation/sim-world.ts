/**
 * One simulated history: virtual time, a seed, the in-memory broker with its faults, and what the checkers know across
 * processes.
 *
 * S1  One incarnation serves a slot under an epoch, and no other ever does.
 * S2  Who is answered has been told the truth: an acknowledged post stands in the log at the seq that it was told, and a
 *     read that begins after an acknowledgement sees it.
 * S3  Nobody is told that what is allowed is not: a standing member's post is acknowledged, or to be tried again.
 */
import { MemoryBrokerHub } from '../../broker/memory-broker.ts';
import type { RecordStore } from '../../broker/broker.ts';
import type { SlotGrant } from '../../cluster/slot-host.ts';
import { limits } from '../../platform/limits.ts';
import { SeededRng } from '../../platform/rng.ts';
import { makeIncarnation, parseNodeId, type Incarnation, type StreamId } from '../../protocol/ids.ts';
import { breakDedupe } from './broken-dedupe.ts';
import { LaggingStore, ReadLag } from './lagging-store.ts';
import { LogBook } from './log-book.ts';
import { SimClock } from './sim-clock.ts';
import type { Mutations } from './sim-faults.ts';
import { SimHistory } from './sim-history.ts';
import { SimNetwork } from './sim-network.ts';

export interface SimOptions {
  readonly seed: number;
  readonly mutations?: Mutations;
  /** From how many gateways on their region gets one copy. Absent: the limit, more than a simulation has. */
  readonly regionBatchGatewaysCount?: number;
}

/** Drawn by the seed: region batches wherever somebody listens, where both of two gateways do, or none. */
export function drawnWays({ seed }: SimOptions): Pick<SimOptions, 'regionBatchGatewaysCount'> {
  const drawn = new SeededRng(seed + 2_000_003).int(3);
  return drawn === 0 ? {} : { regionBatchGatewaysCount: drawn };
}

const STEP_MS = 10;

export class SimWorld {
  readonly seed: number;
  readonly clock = new SimClock();
  readonly rng: SeededRng;
  readonly history: SimHistory;
  readonly network: SimNetwork;
  readonly hub: MemoryBrokerHub;
  readonly book: LogBook;
  readonly readLag: ReadLag;
  readonly mutations: Mutations;
  readonly regionBatchGatewaysCount: number;
  /** Gateways may say `resync` because they hold too much. */
  mayGiveUp = false;
  /** Superseded owners that have not heard of it: until they have, a read may be answered by one of them. */
  readonly #stale = new Set<string>();
  #staleUntilMs = Number.NEGATIVE_INFINITY;
  readonly #openedBy = new Map<string, Incarnation>();
  readonly #acked = new Map<StreamId, number>();
  readonly #checks: (() => void)[] = [];

  constructor({ seed, mutations = {}, regionBatchGatewaysCount }: SimOptions) {
    this.seed = seed;
    this.regionBatchGatewaysCount = regionBatchGatewaysCount ?? limits.regionBatchGatewaysCount;
    this.mutations = mutations;
    this.rng = new SeededRng(seed);
    this.history = new SimHistory(this.clock, seed);
    this.network = new SimNetwork(this.clock, new SeededRng(seed + 1_000_003));
    const { latencyMs, fate } = this.network;
    this.hub = new MemoryBrokerHub({ clock: this.clock, rng: this.rng, latencyMs, fate });
    this.readLag = new ReadLag(this.clock, this.rng);
    if (mutations.casOff === true) this.#turnCasOff();
    if (mutations.dedupeAfterConflictOff === true) breakDedupe(this.hub, this.clock);
    this.book = new LogBook(this.hub, this.history);
  }

  /** Until the broker has its streams. */
  async provision(): Promise<void> {
    const provisioned = this.hub.provision({ partitions: 1, replicas: 1 });
    await this.run(20);
    await provisioned;
  }

  /** @throws SimulationFailure when a checker found something. */
  async run(durationMs: number): Promise<void> {
    await this.clock.run(this.clock.monotonicMs() + durationMs, () => {
      for (const check of this.#checks) check();
      return this.history.failed;
    });
    this.history.check();
  }

  /** `check` is called between any two timers. */
  always(check: () => void): void {
    this.#checks.push(check);
  }

  /** Runs until the condition holds; that it does not in time is a violation of `rule`. */
  async until(rule: string, withinMs: number, holds: () => boolean, why: () => string = () => ''): Promise<number> {
    const startMs = this.clock.monotonicMs();
    while (!holds()) {
      if (this.clock.monotonicMs() - startMs >= withinMs) this.history.violate(rule, `not in ${withinMs} ms ${why()}`);
      await this.run(STEP_MS);
    }
    return this.clock.monotonicMs() - startMs;
  }

  lag(store: RecordStore): RecordStore {
    return new LaggingStore(store, this.readLag);
  }

  incarnation(name: string): Incarnation {
    return makeIncarnation(parseNodeId(name)!, this.rng);
  }

  /** S1 */
  slotOpened(node: string, incarnation: Incarnation, slot: number, { epoch, fence }: SlotGrant): void {
    const key = `${slot}/${epoch}`;
    const before = this.#openedBy.get(key);
    this.history.note(node, 'opened', `slot ${slot}`, `epoch ${epoch}${fence ? ', fence' : ''}`);
    this.#openedBy.set(key, incarnation);
    this.book.opened(slot, epoch, fence);
    if (before === undefined || before === incarnation) return;
    this.history.violate(
      'one owner of a slot and epoch',
      `${before} and ${incarnation}, epoch ${epoch}`,
      `slot ${slot}`,
    );
  }

  /** S2, for whoever is told that a mutation stands at `seq`. */
  acked(who: string, stream: StreamId, author: string, mutation: string, seq: number, ts: number | undefined): void {
    this.history.note(who, 'acked', stream, `${mutation} at ${seq}`);
    this.#acked.set(stream, Math.max(seq, this.#acked.get(stream) ?? 0));
    const event = this.book.event(stream, seq);
    const stands = event?.author === author && event.mutation === mutation && (ts === undefined || event.ts === ts);
    if (!stands) this.history.violate('what is acknowledged stands in the log', `${mutation} at ${seq}`, stream);
  }

  /** S3 */
  rejected(who: string, stream: StreamId, what: string): void {
    this.history.violate('nothing that is allowed is rejected', `${who}: ${what}`, stream);
  }

  /** The highest seq that anybody was told of. */
  ackedSeq(stream: StreamId): number {
    return this.#acked.get(stream) ?? 0;
  }

  isStale(worker: string): void {
    this.#stale.add(worker);
  }

  isStaleNoMore(worker: string): void {
    if (this.#stale.delete(worker)) this.#staleUntilMs = this.clock.monotonicMs();
  }

  /** S2, for a read that began at `beganMs`, when `ackedBefore` was known to somebody. */
  readSaw(who: string, stream: StreamId, seq: number, ackedBefore: number, beganMs: number): void {
    this.history.note(who, 'read', stream, `tail ${seq}`);
    if (seq >= ackedBefore || this.#stale.size > 0 || this.#staleUntilMs >= beganMs) return;
    this.history.violate('a read sees what was acknowledged before it', `saw ${seq} of ${ackedBefore}`, stream);
  }

  #turnCasOff(): void {
    const { streams } = this.hub;
    const store = streams.append.bind(streams);
    streams.append = (subject, data, expected) => {
      if (!subject.startsWith('belfry.log.')) return store(subject, data, expected);
      const newest = streams.last('BELFRY_LOG_0', subject);
      return store(subject, data, newest.kind === 'found' ? newest.record.sequence : 0);
    };
  }
}
