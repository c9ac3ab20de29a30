/**
 * Who is ring manager: one key in the cluster bucket, taken and renewed by compare-and-set.
 *
 * Invariants:
 * L1  The holder believes in its lease from before it sent the last successful renewal; a candidate counts from when
 *     it saw that renewal. So the holder stops first, whatever the wall clocks say.
 * L2  Two holders at once would be harmless: each table write is a compare-and-set on the table's revision. The lease
 *     only saves work.
 */
import type { KeyValue, KvEntry } from '../broker/broker.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import { parseIncarnation, type Incarnation } from '../protocol/ids.ts';

export const MANAGER_KEY = 'manager';

export interface LeadershipOptions {
  readonly self: Incarnation;
  readonly bucket: KeyValue;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether this node wants to be ring manager now. */
  readonly eligible: () => boolean;
  /** This node's place among the candidates: 0 tries first. */
  readonly rank: () => number;
}

interface Lease {
  readonly holder: Incarnation | undefined;
  /** Whether the key stands in the bucket: a damaged one has no holder, yet is there to be overwritten. */
  readonly present: boolean;
  readonly revision: number;
  /** When we saw it written, or sent our own renewal (L1). */
  readonly sinceMs: number;
}

export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #listeners: (() => void)[] = [];
  #lease: Lease | undefined;
  #watch: { stop(): void } | undefined;
  #timer: Timer | undefined;
  #attempt: Timer | undefined;
  #ticking = false;
  #writing = false;
  #stopped = false;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  start(): void {
    const { bucket, clock } = this.#options;
    this.#watch = bucket.watch(MANAGER_KEY, (change) => {
      if (change.kind === 'put') this.#see(change.entry);
      else this.#vacant(change.revision);
    });
    this.#timer = clock.setInterval(() => void this.#tick(), limits.heartbeatMs);
    void this.#read();
  }

  /** Gives the office up, so that the next candidate takes it at once. */
  async stop(): Promise<void> {
    const wasLeader = this.isLeader();
    this.abandon();
    if (wasLeader) await this.#options.bucket.delete(MANAGER_KEY);
  }

  /** Without a word to the bucket: the lease runs out by itself. */
  abandon(): void {
    this.#stopped = true;
    this.#watch?.stop();
    this.#timer?.cancel();
    this.#attempt?.cancel();
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  leader(): Incarnation | undefined {
    return this.#lease?.holder;
  }

  isLeader(): boolean {
    return !this.#stopped && this.#lease?.holder === this.#options.self && !this.#isExpired(this.#lease);
  }

  /** The holder is known to be dead: do not wait for the lease to run out. */
  holderDied(holder: Incarnation): void {
    if (this.#lease?.holder === holder && this.#attempt === undefined) this.#attemptSoon();
  }

  #isExpired(lease: Lease): boolean {
    return this.#options.clock.monotonicMs() - lease.sinceMs >= limits.ringManagerLeaseMs;
  }

  #see(entry: KvEntry): void {
    if (this.#lease !== undefined && entry.revision <= this.#lease.revision) return;
    const holder = holderIn(entry.value);
    const sinceMs = holder === this.#options.self ? this.#ownSinceMs() : this.#options.clock.monotonicMs();
    this.#set({ holder, present: true, revision: entry.revision, sinceMs });
  }

  /** Seeing an own renewal says nothing about when it was sent; only its acknowledgement extends the lease (L1). */
  #ownSinceMs(): number {
    return this.#lease?.holder === this.#options.self ? this.#lease.sinceMs : Number.NEGATIVE_INFINITY;
  }

  #vacant(revision: number): void {
    if (this.#lease !== undefined && revision <= this.#lease.revision) return;
    this.#set({ holder: undefined, present: false, revision, sinceMs: Number.NEGATIVE_INFINITY });
    this.#attemptSoon();
  }

  #set(lease: Lease): void {
    const before = this.#lease?.holder;
    const led = this.isLeader();
    this.#lease = lease;
    if (before !== lease.holder) this.#options.logger.info('ring_manager_changed', { holder: lease.holder });
    if (before === lease.holder && led === this.isLeader()) return;
    for (const listener of this.#listeners) listener();
  }

  /** The office is vacant, or its holder is: not any more when another candidate was quicker. */
  #attemptSoon(): void {
    const { clock, rank } = this.#options;
    const vacancy = this.#lease;
    this.#attempt?.cancel();
    this.#attempt = clock.setTimeout(() => {
      this.#attempt = undefined;
      if (this.#lease?.holder === vacancy?.holder) void this.#claim();
    }, rank() * limits.candidateStepMs);
  }

  async #tick(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    await this.#renewOrClaim();
    this.#ticking = false;
  }

  async #renewOrClaim(): Promise<void> {
    const lease = this.#lease;
    const nowMs = this.#options.clock.monotonicMs();
    if (lease?.holder === this.#options.self) {
      if (nowMs - lease.sinceMs >= limits.ringManagerRenewMs) await this.#write(lease);
      return;
    }
    if (lease !== undefined && !this.#isExpired(lease)) return;
    // It may have been renewed while the watch was deaf: look before taking it.
    await this.#read();
    const now = this.#lease;
    if (now === undefined || this.#isExpired(now)) await this.#claim();
  }

  async #claim(): Promise<void> {
    if (this.#options.eligible() && this.#lease?.holder !== this.#options.self) await this.#write(this.#lease);
  }

  async #write(lease: Lease | undefined): Promise<void> {
    if (this.#writing || this.#stopped) return;
    this.#writing = true;
    const { bucket, clock, self } = this.#options;
    const sinceMs = clock.monotonicMs();
    const value = Buffer.from(JSON.stringify({ incarnation: self, renewedAt: Math.round(clock.wallMs()) }));
    const write = await (lease?.present === true
      ? bucket.update(MANAGER_KEY, value, lease.revision)
      : bucket.create(MANAGER_KEY, value));
    this.#writing = false;
    if (this.#stopped) return;
    if (write.kind === 'written') {
      if (write.revision > (this.#lease?.revision ?? 0) || this.#lease?.holder === self) {
        this.#set({ holder: self, present: true, revision: write.revision, sinceMs });
      }
    } else await this.#read();
  }

  async #read(): Promise<void> {
    const read = await this.#options.bucket.get(MANAGER_KEY);
    if (this.#stopped) return;
    if (read.kind === 'found') this.#see(read.entry);
    else if (read.kind === 'absent' && this.#lease?.present === true) {
      const { revision } = this.#lease;
      this.#set({ holder: undefined, present: false, revision, sinceMs: Number.NEGATIVE_INFINITY });
    }
  }
}

function holderIn(value: Uint8Array): Incarnation | undefined {
  try {
    return parseIncarnation((JSON.parse(Buffer.from(value).toString()) as { incarnation?: unknown }).incarnation);
  } catch {
    return undefined;
  }
}
