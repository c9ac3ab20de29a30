/**
 * The latest events of busy streams, in memory: gap fills, first pages of history and the answers to retries come from
 * here. One byte-bounded, least-recently-used store for the whole worker.
 *
 * Invariants:
 * H1  A stream's tail is a run of events without a hole, and it ends at the stream's last published event.
 * H2  At most `eventsPerStreamMax` events a stream and `bytesMax` bytes in all; what is dropped is in the log.
 */
import { assert } from '../platform/assert.ts';
import type { DurableEvent, SequencedEvent } from '../protocol/events.ts';
import type { StreamId } from '../protocol/ids.ts';

export interface HotTailOptions {
  readonly eventsPerStreamMax: number;
  readonly bytesMax: number;
}

interface Tail {
  events: SequencedEvent[];
  sizes: number[];
  /** Events before this index are dropped but not yet cut off. */
  start: number;
  bytes: number;
}

export class HotTails {
  readonly #options: HotTailOptions;
  /** In the order of their last use. */
  readonly #tails = new Map<StreamId, Tail>();
  #bytes = 0;

  constructor(options: HotTailOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The stream's next event. One that does not follow the tail replaces it (H1). */
  push(stream: StreamId, seq: number, event: DurableEvent, bytes: number): void {
    let tail = this.#touch(stream);
    if (tail !== undefined && lastSeq(tail) + 1 !== seq) {
      this.drop(stream);
      tail = undefined;
    }
    if (tail === undefined) {
      tail = { events: [], sizes: [], start: 0, bytes: 0 };
      this.#tails.set(stream, tail);
    }
    tail.events.push({ seq, event });
    tail.sizes.push(bytes);
    tail.bytes += bytes;
    this.#bytes += bytes;
    if (tail.events.length - tail.start > this.#options.eventsPerStreamMax) this.#shift(tail);
    this.#evict();
  }

  drop(stream: StreamId): void {
    const tail = this.#tails.get(stream);
    if (tail === undefined) return;
    this.#bytes -= tail.bytes;
    this.#tails.delete(stream);
  }

  find(stream: StreamId, seq: number): SequencedEvent | undefined {
    const tail = this.#touch(stream);
    return tail === undefined ? undefined : tail.events[tail.start + seq - firstSeq(tail)];
  }

  /** Events from seq after + 1 on, up to `upTo` and about `bytesMax`; undefined unless all up to `upTo` are here. */
  between(stream: StreamId, after: number, upTo: number, bytesMax: number): SequencedEvent[] | undefined {
    return this.sizedBetween(stream, after, upTo, bytesMax)?.events;
  }

  /** As `between`, with what they take together. */
  sizedBetween(
    stream: StreamId,
    after: number,
    upTo: number,
    bytesMax: number,
  ): { readonly events: SequencedEvent[]; readonly bytes: number } | undefined {
    if (upTo <= after) return { events: [], bytes: 0 };
    const tail = this.#touch(stream);
    if (tail === undefined || after + 1 < firstSeq(tail) || upTo > lastSeq(tail)) return undefined;
    const from = tail.start + after + 1 - firstSeq(tail);
    let end = from;
    let bytes = 0;
    for (; end < from + upTo - after && bytes < bytesMax; end++) bytes += tail.sizes[end] ?? 0;
    return { events: tail.events.slice(from, end), bytes };
  }

  /** The last events up to `seq`, in order, about `bytesMax` of them; none where the tail ends elsewhere. */
  latest(stream: StreamId, seq: number, bytesMax: number): SequencedEvent[] {
    const events: SequencedEvent[] = [];
    let bytes = 0;
    for (const [item, size] of this.newestFirst(stream)) {
      bytes += size;
      if (item.seq !== seq - events.length || bytes > bytesMax) break;
      events.push(item);
    }
    return events.reverse();
  }

  /** What is here, newest first, with its size. */
  *newestFirst(stream: StreamId): Generator<readonly [SequencedEvent, number]> {
    const tail = this.#touch(stream);
    if (tail === undefined) return;
    for (let at = tail.events.length - 1; at >= tail.start; at--) {
      yield [tail.events[at] as SequencedEvent, tail.sizes[at] ?? 0];
    }
  }

  #touch(stream: StreamId): Tail | undefined {
    const tail = this.#tails.get(stream);
    if (tail === undefined) return undefined;
    this.#tails.delete(stream);
    this.#tails.set(stream, tail);
    return tail;
  }

  #shift(tail: Tail): void {
    const size = tail.sizes[tail.start] ?? 0;
    tail.bytes -= size;
    this.#bytes -= size;
    tail.start += 1;
    // Cutting now and then keeps the cost of a push constant.
    if (tail.start * 4 < this.#options.eventsPerStreamMax) return;
    tail.events = tail.events.slice(tail.start);
    tail.sizes = tail.sizes.slice(tail.start);
    tail.start = 0;
  }

  #evict(): void {
    for (const stream of this.#tails.keys()) {
      if (this.#bytes <= this.#options.bytesMax) return;
      this.drop(stream);
    }
    assert(this.#bytes === 0, 'hot-tail/bytes-add-up', { bytes: this.#bytes });
  }
}

function firstSeq(tail: Tail): number {
  return tail.events[tail.start]?.seq ?? 0;
}
function lastSeq(tail: Tail): number {
  return tail.events.at(-1)?.seq ?? 0;
}
