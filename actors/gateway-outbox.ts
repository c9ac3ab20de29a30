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
 */
import type { Messaging } from '../broker/broker.ts';
import { subjects } from '../broker/subjects.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { HopTimer } from '../platform/metrics.ts';
import { BATCH_BYTES_MAX, encodeBatch, type BatchEntry } from '../protocol/batches.ts';
import type { GatewayRef, Reply } from '../protocol/commands.ts';
import type { Incarnation } from '../protocol/ids.ts';

export interface GatewayOutboxesOptions {
  readonly worker: Incarnation;
  readonly messaging: Pick<Messaging, 'publish'>;
  readonly clock: Clock;
  readonly fanoutTimer?: HopTimer;
}

/** What is said to one life of a gateway. */
export class GatewayOutbox {
  readonly id: number;
  readonly ref: GatewayRef;
  readonly #subject: string;
  readonly #owner: GatewayOutboxes;
  #entries: BatchEntry[] = [];
  #bytes = 0;
  #number = 0;
  #quiet = false;
  #gone = false;

  constructor(id: number, ref: GatewayRef, owner: GatewayOutboxes) {
    this.id = id;
    this.ref = ref;
    this.#subject = subjects.batch(ref);
    this.#owner = owner;
  }

  /** Its gateway's life is over: nothing is sent any more. */
  get gone(): boolean {
    return this.#gone;
  }

  /** `bytes`: what the entry takes in the batch, about. */
  add(entry: BatchEntry, bytes: number): void {
    if (this.#gone) return;
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
    this.#owner.publish(this.#subject, this.#number, entries);
  }

  /** A beat, unless a batch left since the last one (X3). */
  beat(): void {
    if (this.#quiet) this.#owner.publish(this.#subject, this.#number, []);
    this.#quiet = true;
  }

  end(): void {
    this.#gone = true;
    this.#entries = [];
    this.#bytes = 0;
  }
}

export class GatewayOutboxes {
  readonly #options: GatewayOutboxesOptions;
  readonly #outboxes = new Map<Incarnation, GatewayOutbox>();
  readonly #waiting = new Set<GatewayOutbox>();
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
    const outbox = new GatewayOutbox(this.#nextId++, ref, this);
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
    for (const outbox of this.#waiting) outbox.flush();
    this.#waiting.clear();
  }

  close(): void {
    this.#beats.cancel();
    this.flush();
  }

  /** Called by an outbox that has something to say. */
  schedule(outbox: GatewayOutbox): void {
    this.#waiting.add(outbox);
    if (this.#scheduled) return;
    this.#scheduled = true;
    const { clock } = this.#options;
    this.#scheduledAtMs = clock.monotonicMs();
    const sinceMs = this.#scheduledAtMs - this.#flushedAtMs;
    // Light load: the end of this turn. Busy: gather what comes within the window (X2).
    if (sinceMs >= limits.batchWindowMs) clock.defer(() => this.#end());
    else clock.setTimeout(() => this.#end(), Math.ceil(limits.batchWindowMs - sinceMs));
  }

  publish(subject: string, number: number, entries: readonly BatchEntry[]): void {
    const { messaging, worker } = this.#options;
    messaging.publish(subject, encodeBatch({ worker, number, entries }));
  }

  /** The window's end. */
  #end(): void {
    this.#scheduled = false;
    this.#flushedAtMs = this.#options.clock.monotonicMs();
    this.#options.fanoutTimer?.observe(this.#flushedAtMs - this.#scheduledAtMs);
    this.flush();
  }

  #beat(): void {
    for (const outbox of this.#outboxes.values()) outbox.beat();
  }
}
