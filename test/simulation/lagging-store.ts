/**
 * A store as the contract allows it to be (K6 and RecordStore.last): the newest record may not be readable for a while,
 * as long as nobody was told that it is stored.
 */
import type { AppendAttempt, RecordRead, RecordStore } from '../../broker/broker.ts';
import type { Rng } from '../../platform/rng.ts';
import type { SimClock } from './sim-clock.ts';

/** A record is readable this long after it was stored at the latest. */
const LAG_MS = 40;
const LAG_CHANCE = 0.5;

/** What all processes were told, and when each record was first seen. */
export class ReadLag {
  readonly clock: SimClock;
  readonly rng: Rng;
  readonly told = new Set<number>();
  readonly seenMs = new Map<number, number>();
  on = false;
  /** Every record that nobody was told of is hidden for its time. */
  always = false;

  constructor(clock: SimClock, rng: Rng) {
    this.clock = clock;
    this.rng = rng;
  }

  hides(sequence: number): boolean {
    if ((!this.on && !this.always) || this.told.has(sequence)) return false;
    const seenMs = this.seenMs.get(sequence) ?? this.clock.monotonicMs();
    this.seenMs.set(sequence, seenMs);
    return this.clock.monotonicMs() - seenMs < LAG_MS && (this.always || this.rng.float() < LAG_CHANCE);
  }
}

export class LaggingStore implements RecordStore {
  readonly #inner: RecordStore;
  readonly #lag: ReadLag;

  constructor(inner: RecordStore, lag: ReadLag) {
    this.#inner = inner;
    this.#lag = lag;
  }

  async append(subject: string, data: Uint8Array, expected: number, timeoutMs: number): Promise<AppendAttempt> {
    const attempt = await this.#inner.append(subject, data, expected, timeoutMs);
    if (attempt.kind === 'stored' && subject.startsWith('belfry.log.')) this.#lag.told.add(attempt.sequence);
    return attempt;
  }

  async last(stream: string, subject: string): Promise<RecordRead> {
    const read = await this.#inner.last(stream, subject);
    if (read.kind !== 'found' || !subject.startsWith('belfry.log.')) return read;
    if (!this.#lag.hides(read.record.sequence)) {
      // Whoever reads it knows of it: it does not become unreadable again.
      this.#lag.told.add(read.record.sequence);
      return read;
    }
    return read.record.previous === 0 ? { kind: 'absent' } : this.#inner.at(stream, read.record.previous);
  }

  at(stream: string, sequence: number): Promise<RecordRead> {
    return this.#inner.at(stream, sequence);
  }
}
