/**
 * Pages that were read a moment ago, as frames: one run of events per stream, bounded in bytes and age over all.
 *
 * K1  A run has no hole; what does not continue it takes its place.
 * K2  A page holds what it is asked for up to `resumeReadEventsMax` and PAGE_BYTES_MAX, at least one event.
 */
import { limits } from '../platform/limits.ts';
import type { StreamId } from '../protocol/ids.ts';
import type { PageEvent } from './gateway-messages.ts';

export interface PageCacheLimits {
  readonly resumeReadEventsMax: number;
  readonly pageCacheBytesMax: number;
  readonly pageCacheAgeMs: number;
}

interface Run {
  readonly firstSeq: number;
  readonly events: PageEvent[];
  bytes: number;
  /** When its first page was read. */
  readonly sinceMs: number;
}

const PAGE_BYTES_MAX = limits.readAnswerBytesMax;
const EVENT_BYTES = 160;

export class PageCache {
  readonly #limits: PageCacheLimits;
  /** In the order of their last growth. */
  readonly #runs = new Map<StreamId, Run>();
  #bytes = 0;

  constructor(own: PageCacheLimits) {
    this.#limits = own;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `events`: dense, not empty. */
  add(stream: StreamId, events: readonly PageEvent[], nowMs: number): void {
    const [first] = events;
    if (first === undefined) return;
    const known = this.#fresh(stream, nowMs);
    const continues = known !== undefined && first.seq === known.firstSeq + known.events.length;
    const run = continues ? known : { firstSeq: first.seq, events: [], bytes: 0, sinceMs: nowMs };
    this.#drop(stream);
    run.events.push(...events);
    run.bytes += events.reduce((sum, { frame }) => sum + frame.length + EVENT_BYTES, 0);
    this.#runs.set(stream, run);
    this.#bytes += run.bytes;
    this.#evict(nowMs);
  }

  /** From after + 1 on; undefined when that is not here. */
  page(stream: StreamId, after: number, upTo: number, nowMs: number): PageEvent[] | undefined {
    const run = this.#fresh(stream, nowMs);
    if (run === undefined) return undefined;
    const from = after + 1 - run.firstSeq;
    const end = Math.min(run.events.length, upTo + 1 - run.firstSeq, from + this.#limits.resumeReadEventsMax);
    if (from < 0 || from >= end) return undefined;
    let to = from;
    for (let bytes = 0; to < end && bytes < PAGE_BYTES_MAX; to += 1) bytes += run.events[to]?.frame.length ?? 0;
    return run.events.slice(from, to);
  }

  #fresh(stream: StreamId, nowMs: number): Run | undefined {
    const run = this.#runs.get(stream);
    return run !== undefined && nowMs - run.sinceMs < this.#limits.pageCacheAgeMs ? run : undefined;
  }

  #evict(nowMs: number): void {
    for (const [stream, run] of this.#runs) {
      const isOld = nowMs - run.sinceMs >= this.#limits.pageCacheAgeMs;
      if (!isOld && this.#bytes <= this.#limits.pageCacheBytesMax) return;
      this.#drop(stream);
    }
  }

  #drop(stream: StreamId): void {
    this.#bytes -= this.#runs.get(stream)?.bytes ?? 0;
    this.#runs.delete(stream);
  }
}
