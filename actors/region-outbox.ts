/**
 * What this worker has to say to all gateways of a region alike, published once for all of them: NATS makes the copies.
 *
 * V1  Entries leave in the order in which they were added, in batches numbered as X1 in gateway-outbox.ts; when, is that
 *     file's business (X2, X4).
 */
import { BATCH_BYTES_MAX, type StreamedEntry } from '../protocol/batches.ts';
import type { StreamId } from '../protocol/ids.ts';
import type { RegionBatch } from '../protocol/region-batches.ts';

export type RegionEntries = Omit<RegionBatch, 'worker'>;

export interface RegionOutboxOptions {
  /** There is something to say; `flush` is called soon. */
  readonly schedule: () => void;
  readonly publish: (batch: RegionEntries) => void;
}

export class RegionOutbox {
  readonly #options: RegionOutboxOptions;
  readonly #streams = new Set<StreamId>();
  #entries: StreamedEntry[] = [];
  #bytes = 0;
  #number = 0;

  constructor(options: RegionOutboxOptions) {
    this.#options = options;
  }

  /** Of the last batch that was sent. */
  get number(): number {
    return this.#number;
  }

  /** `bytes`: what the entry takes in the batch, about. */
  add(entry: StreamedEntry, bytes: number): void {
    if (this.#bytes > 0 && this.#bytes + bytes > BATCH_BYTES_MAX) this.flush();
    this.#entries.push(entry);
    this.#streams.add(entry.stream);
    this.#bytes += bytes;
    this.#options.schedule();
  }

  /** Whatever waits of the stream leaves now, and all else with it. */
  release(stream: StreamId): void {
    if (this.#streams.size > 0 && this.#streams.has(stream)) this.flush();
  }

  flush(): void {
    if (this.#entries.length === 0) return;
    const entries = this.#entries;
    const streams = [...this.#streams];
    this.#entries = [];
    this.#streams.clear();
    this.#bytes = 0;
    this.#options.publish({ number: this.#number + 1, streams, entries });
    this.#number += 1;
  }
}
