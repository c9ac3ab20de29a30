/**
 * Where one session stands on each of its streams, over all of its connections, and what is wrong with what it gets.
 *
 * D1  It stands on a stream from hello's cursor on, from its user's own join, or from the stream's first event. Anything
 *     else that comes first is a failure.
 * D2  From there every seq is the next one. A hole, a double or a step back is a failure; it goes on from there.
 * D3  After its user's own leave nothing comes but a new join of its own.
 * D4  A new connection goes on where the one before it stood; what hello says only counts for streams it does not know.
 *     Streams that it left are named too: a gateway that is behind may not know of the leave yet.
 */
export type Cursors = Readonly<Record<string, number>>;

/** A durable event, as far as a place depends on it. */
export type PlacedEvent = {
  readonly stream: string;
  readonly seq: number;
  /** The membership that it changes is this session's user's. */
  readonly own?: 'join' | 'leave' | undefined;
};

type Place = { seq: number; following: boolean };

export class SessionLedger {
  readonly #places = new Map<string, Place>();
  #failure: string | undefined;

  /** The first thing that was wrong. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** D4: a connection was greeted. */
  greet(cursors: Cursors): void {
    for (const [stream, seq] of Object.entries(cursors)) {
      if (!this.#places.has(stream)) this.#places.set(stream, { seq, following: true });
    }
  }

  /** What to name when it resumes. */
  cursors(): Cursors {
    return Object.fromEntries([...this.#places].map(([stream, { seq }]) => [stream, seq]));
  }

  take({ stream, seq, own }: PlacedEvent): void {
    const place = this.#places.get(stream);
    const wrong = place?.following === true ? misplaced(place, stream, seq) : uninvited(place, stream, seq, own);
    if (wrong !== undefined) this.fail(wrong);
    this.#places.set(stream, { seq, following: own !== 'leave' });
  }

  fail(reason: string): void {
    this.#failure ??= reason;
  }

  /** The seq of the last event of a stream that it follows; undefined where it follows none. */
  placeOn(stream: string): number | undefined {
    const place = this.#places.get(stream);
    return place?.following === true ? place.seq : undefined;
  }

  /** The streams that it follows now. */
  following(): string[] {
    return [...this.#places].filter(([, { following }]) => following).map(([stream]) => stream);
  }

  /** Names a stream that it follows and where it does not stand at the given tail. */
  missing(tails: Cursors): string | undefined {
    for (const [stream, tail] of Object.entries(tails)) {
      const seq = this.placeOn(stream);
      if (seq !== undefined && seq !== tail) return `stands at ${seq} of ${stream} where ${tail} was the tail`;
    }
    return undefined;
  }
}

/** D2 */
function misplaced(place: Place, stream: string, seq: number): string | undefined {
  if (seq === place.seq + 1) return undefined;
  return `got seq ${seq} of ${stream} where ${place.seq + 1} was next`;
}

/** D1, D3 */
function uninvited(place: Place | undefined, stream: string, seq: number, own: PlacedEvent['own']): string | undefined {
  if (own === 'join' && seq > (place?.seq ?? 0)) return undefined;
  if (place === undefined && seq === 1) return undefined;
  return `got seq ${seq} of ${stream}, ${place === undefined ? 'which it has not joined' : `which it left at ${place.seq}`}`;
}
