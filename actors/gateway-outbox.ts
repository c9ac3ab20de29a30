/**
 * Fan-out: what this worker has to say to each gateway, gathered into numbered batches.
 *
 * Invariants:
 * X1  Entries leave in the order in which they were added; batches are numbered 1, 2, 3 … without a hole, also while
 *     disconnected: what is lost then leaves a hole that the gateway sees.
 * X2  A batch waits for the end of the event-loop turn when little goes on, and at most `batchWindowMs` when the
 *     previous one left just before. It never exceeds BATCH_BYTES_MAX by more than its last entry's estimate.
 * X3  Every `batchBeatMs` without a batch, a beat repeats the last number, so that the lost last batch of a quiet
 *     worker is found too.
 * X4  What is said to a gateway of one stream arrives in the order in which it was added, also when some of it goes by
 *     the region's batches (region-outbox.ts): its own leave first, and what they say of a stream of which something
 *     waits in the region's has that leave before.
 */
import type { Messaging } from '../broker/broker.ts';
import { subjects } from '../broker/subjects.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';
import { BATCH_BYTES_MAX, encodeBatch, type BatchEntry, type RegionSpan } from '../protocol/batches.ts';
import type { GatewayRef, Reply } from '../protocol/commands.ts';
import type { Incarnation, StreamId } from '../protocol/ids.ts';
import { encodeRegionBatch } from '../protocol/region-batches.ts';
import { RegionOutbox, type RegionEntries } from './region-outbox.ts';

export interface GatewayOutboxesOptions {
  readonly worker: Incarnation;
  readonly messaging: Pick<Messaging, 'publish'>;
  readonly clock: Clock;
  readonly fanoutTimer?: DurationTimer;
  /** How long the first entry of what left together was made to wait. */
  readonly waits?: DurationTimer;
}

/** What is said to one life of a gateway. */
export class GatewayOutbox {
  readonly id: number;
  readonly ref: GatewayRef;
  readonly #subject: string;
  readonly #owner: GatewayOutboxes;
  readonly #region: RegionOutbox;
  /** Where the region's batches stood when this began. */
  readonly #regionFrom: number;
  #entries: BatchEntry[] = [];
  #bytes = 0;
  #number = 0;
  #quiet = false;
  #gone = false;

  constructor(id: number, ref: GatewayRef, region: RegionOutbox, owner: GatewayOutboxes) {
    this.id = id;
    this.ref = ref;
    this.#subject = subjects.batch(ref);
    this.#owner = owner;
    this.#region = region;
    this.#regionFrom = region.number;
  }

  get region(): RegionOutbox {
    return this.#region;
  }

  /** Its gateway's life is over: nothing is sent any more. */
  get gone(): boolean {
    return this.#gone;
  }

  /** `bytes`: what the entry takes in the batch, about. */
  add(entry: BatchEntry, bytes: number): void {
    if (this.#gone) return;
    if (entry.kind === 'event' || entry.kind === 'resync') this.#region.release(entry.stream);
    if (this.#bytes > 0 && this.#bytes + bytes > BATCH_BYTES_MAX) this.flush();
    this.#entries.push(entry);
    this.#bytes += bytes;
    this.#owner.schedule(this);
  }

  flush(): void {
    if (this.#entries.length === 0) return;
    const entries = this.#entries;
    this.#entries = [];
    this.#bytes = 0;
    this.#number += 1;
    this.#quiet = false;
    this.#publish(entries);
  }

  /** What comes next is about where the stream stands: whatever was added of it before arrives before (X4). */
  after(stream: StreamId): void {
    this.#region.release(stream);
  }

  /** A beat, unless a batch left since the last one (X3). */
  beat(): void {
    if (this.#quiet) this.#publish([]);
    this.#quiet = true;
  }

  end(): void {
    this.#gone = true;
    this.#entries = [];
    this.#bytes = 0;
  }

  #publish(entries: readonly BatchEntry[]): void {
    const [from, to] = [this.#regionFrom, this.#region.number];
    this.#owner.publish(this.#subject, this.#number, entries, from === to ? undefined : { from, to });
  }
}

export class GatewayOutboxes {
  readonly #options: GatewayOutboxesOptions;
  readonly #outboxes = new Map<Incarnation, GatewayOutbox>();
  /** By name; their numbers go on as long as this worker lives. */
  readonly #regions = new Map<string, RegionOutbox>();
  readonly #waiting = new Set<GatewayOutbox>();
  readonly #regionsWaiting = new Set<RegionOutbox>();
  readonly #gone = new Set<Incarnation>();
  readonly #beats: Timer;
  #nextId = 1;
  #scheduled = false;
  #scheduledAtMs = 0;
  #flushedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: GatewayOutboxesOptions) {
    this.#options = options;
    this.#beats = options.clock.setInterval(() => this.#beat(), limits.batchBeatMs);
  }

  get(gateway: Incarnation): GatewayOutbox | undefined {
    return this.#outboxes.get(gateway);
  }

  of(ref: GatewayRef): GatewayOutbox {
    const known = this.#outboxes.get(ref.incarnation);
    if (known !== undefined) return known;
    const outbox = new GatewayOutbox(this.#nextId++, ref, this.#region(ref.region), this);
    // What a dead gateway sent before it died may still arrive.
    if (this.isGone(ref.incarnation)) outbox.end();
    else this.#outboxes.set(ref.incarnation, outbox);
    return outbox;
  }

  reply(to: GatewayRef, reply: Reply, bytes: number): void {
    this.of(to).add({ kind: 'reply', reply }, bytes);
  }

  /** Its life is over, and lives do not return. */
  isGone(gateway: Incarnation): boolean {
    return this.#gone.has(gateway);
  }

  gatewayGone(gateway: Incarnation): void {
    this.#gone.add(gateway);
    if (this.#gone.size > limits.nodesMax) {
      for (const oldest of this.#gone) {
        this.#gone.delete(oldest);
        break;
      }
    }
    const outbox = this.#outboxes.get(gateway);
    if (outbox === undefined) return;
    outbox.end();
    this.#outboxes.delete(gateway);
    this.#waiting.delete(outbox);
  }

  /** Sends what waits, now. */
  flush(): void {
    this.#flushOwn();
    for (const region of this.#regionsWaiting) region.flush();
    this.#regionsWaiting.clear();
  }

  close(): void {
    this.#beats.cancel();
    this.flush();
  }

  /** Called by an outbox that has something to say. */
  schedule(outbox: GatewayOutbox): void {
    this.#waiting.add(outbox);
    this.#schedule();
  }

  publish(subject: string, number: number, entries: readonly BatchEntry[], region: RegionSpan | undefined): void {
    const { messaging, worker } = this.#options;
    messaging.publish(subject, encodeBatch({ worker, number, entries, ...(region && { region }) }));
  }

  #region(name: string): RegionOutbox {
    const known = this.#regions.get(name);
    if (known !== undefined) return known;
    const subject = subjects.regionBatch(name);
    const region = new RegionOutbox({
      schedule: () => {
        this.#regionsWaiting.add(region);
        this.#schedule();
      },
      publish: (batch) => this.#publishRegion(subject, batch),
    });
    this.#regions.set(name, region);
    return region;
  }

  /** X4 */
  #publishRegion(subject: string, batch: RegionEntries): void {
    this.#flushOwn();
    const { messaging, worker } = this.#options;
    messaging.publish(subject, encodeRegionBatch({ worker, ...batch }));
  }

  #flushOwn(): void {
    for (const outbox of this.#waiting) outbox.flush();
    this.#waiting.clear();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const { clock } = this.#options;
    this.#scheduledAtMs = clock.monotonicMs();
    const sinceMs = this.#scheduledAtMs - this.#flushedAtMs;
    // Light load: the end of this turn. Busy: gather what comes within the window (X2).
    if (sinceMs >= limits.batchWindowMs) clock.defer(() => this.#end(false));
    else clock.setTimeout(() => this.#end(true), Math.ceil(limits.batchWindowMs - sinceMs));
  }

  /** The end of the window, or of a turn at which nothing waits. */
  #end(isWindow: boolean): void {
    this.#scheduled = false;
    const { clock, fanoutTimer, waits } = this.#options;
    this.#flushedAtMs = clock.monotonicMs();
    const tookMs = this.#flushedAtMs - this.#scheduledAtMs;
    fanoutTimer?.observe(tookMs);
    waits?.observe(isWindow ? tookMs : 0);
    this.flush();
  }

  #beat(): void {
    for (const outbox of this.#outboxes.values()) outbox.beat();
  }
}
