/**
 * The streams of one slot: those that somebody works with are awake, each an entry; all others that somebody listens to
 * rest in a table (resting-streams.ts), and anything that is asked of one wakes it.
 *
 * Invariants:
 * SS1  A stream is awake while it has an actor or somebody holds its entry, and then it is not at rest: there is one
 *      place that says where it stands and who listens.
 * SS2  When the last one lets go it rests, or is forgotten where nobody listens. One whose id is too long for the table
 *      stays awake.
 */
import type { StreamId } from '../protocol/ids.ts';
import { isNobody, type InterestSets } from './interest.ts';
import { RestingStreams, type RestingStream } from './resting-streams.ts';
import type { HostedActor } from './slot.ts';
import type { StreamEntry } from './worker-context.ts';

export interface SlotEntry extends StreamEntry {
  actor: HostedActor | undefined;
  /** How many work with it now, besides the actor. */
  holds: number;
}

export class SlotStreams {
  readonly #interests: InterestSets;
  readonly #awake = new Map<StreamId, SlotEntry>();
  readonly #resting: RestingStreams;
  #ended = false;

  constructor(interests: InterestSets) {
    this.#interests = interests;
    this.#resting = new RestingStreams(interests);
  }

  get size(): number {
    return this.#awake.size + this.#resting.size;
  }

  awake(): Iterable<SlotEntry> {
    return this.#awake.values();
  }

  isAwake(stream: StreamId): boolean {
    return this.#awake.has(stream);
  }

  resting(stream: StreamId): RestingStream | undefined {
    return this.#resting.get(stream);
  }

  allResting(): Iterable<RestingStream> {
    return this.#resting;
  }

  /** Where the stream stands, as far as that is known here; -1 else. Wakes nothing. */
  seqOf(stream: StreamId): number {
    return (this.#awake.get(stream) ?? this.#resting.get(stream))?.seq ?? -1;
  }

  /** The stream's entry, to work with until it is let go. */
  hold(stream: StreamId): SlotEntry {
    const entry = this.wake(stream);
    entry.holds += 1;
    return entry;
  }

  /** As `hold`; undefined where nothing is known of the stream. */
  holdKnown(stream: StreamId): SlotEntry | undefined {
    const isKnown = this.#awake.has(stream) || this.#resting.get(stream) !== undefined;
    return isKnown ? this.hold(stream) : undefined;
  }

  letGo(entry: SlotEntry): void {
    entry.holds -= 1;
    this.restIfUnused(entry);
  }

  /** The stream's entry for whoever gives it an actor at once. */
  wake(stream: StreamId): SlotEntry {
    const awake = this.#awake.get(stream);
    if (awake !== undefined) return awake;
    const { seq, interest } = this.#resting.take(stream) ?? { seq: -1, interest: this.#interests.nobody };
    const entry: SlotEntry = { stream, interest, seq, admitting: undefined, actor: undefined, holds: 0 };
    this.#awake.set(stream, entry);
    return entry;
  }

  /** After the entry lost its actor (SS2). */
  restIfUnused(entry: SlotEntry): void {
    if (entry.actor !== undefined || entry.holds > 0 || this.#ended) return;
    if (isNobody(entry.interest) || this.#resting.put(entry)) this.#awake.delete(entry.stream);
  }

  /** The slot is not ours any more: what is still held is let go of without effect. */
  end(): void {
    this.#ended = true;
    this.#awake.clear();
    this.#resting.clear();
  }
}
