/**
 * Counts what many sockets of one process receive of one channel, and checks it while counting: every socket must see
 * seq after seq. One counter for all the sockets of a process; per frame it costs a few comparisons.
 *
 * X1  The first copy of a seq is parsed in full and remembered; a later copy on another socket is recognised by its
 *     seq (the last field of the frame) and its length. Anything else is parsed too.
 * X2  Each socket's first message sets where it stands; from there every seq must be the next one. A hole, a double or a
 *     step back is a failure, and the socket goes on from there.
 * X3  Latency is counted for every delivery, from the time the message was due (schedule.ts E1).
 * X4  A read with the same bytes as another socket's (read-echo.ts) is not cut again; each of its messages is checked and
 *     counted for this socket all the same.
 */
import { LatencyHistogram } from './histogram.ts';
import { parseText } from './message-text.ts';
import { ReadEcho } from './read-echo.ts';

export type DeliveryReport = {
  readonly deliveries: number;
  /** Reads of a socket that held them: how well the server put messages together, as clients see it. */
  readonly reads: number;
  readonly latency: string;
  /** The ids of the messages in the order of their seq, each once. */
  readonly ids: readonly number[];
  readonly failures: readonly string[];
};

/** What is remembered of one message. */
type Seen = { readonly seq: number; readonly bytes: number; readonly dueUs: number };

/** Messages remembered. A socket further behind than this makes its process parse again: slower, not wrong. */
const ringSize = 65_536;
const failuresMax = 20;

const quote = 0x22;
const brace = 0x7d;
const colon = 0x3a;
const zero = 0x30;
const nine = 0x39;

/** One socket's place. */
export class Subscriber {
  lastSeq: number | undefined = undefined;
}

export class DeliveryCounter {
  readonly #channel: string;
  readonly #latency = new LatencyHistogram();
  readonly #ring: (Seen | undefined)[] = Array.from({ length: ringSize });
  readonly #failures: string[] = [];
  readonly #subscribers: Subscriber[] = [];
  readonly #echo = new ReadEcho<Seen>();
  #ids: number[] = [];
  #deliveries = 0;
  #reads = 0;
  #readCounted = true;
  #readAtUs = 0;
  #highestSeq = 0;
  #frame: string | undefined;

  constructor(channel: string) {
    this.#channel = channel;
  }

  get deliveries(): number {
    return this.#deliveries;
  }

  /** A frame of the channel as it came, for the peers to copy. */
  get sampleFrame(): string | undefined {
    return this.#frame;
  }

  subscriber(): Subscriber {
    const subscriber = new Subscriber();
    this.#subscribers.push(subscriber);
    return subscriber;
  }

  /** Subscribers that have seen `seq` or a later one. */
  reached(seq: number): number {
    return this.#subscribers.filter(({ lastSeq }) => lastSeq !== undefined && lastSeq >= seq).length;
  }

  /** Bytes of one socket were read; the frames that they complete follow. */
  beginRead(nowUs: number): void {
    this.#readAtUs = nowUs;
    this.#readCounted = false;
    this.#echo.end();
  }

  /** The bytes of the current read, if they begin with a frame. True: they are an echo, and taken (X4). */
  takeEcho(subscriber: Subscriber, buffer: Buffer, length: number): boolean {
    const messages = this.#echo.begin(buffer, length);
    if (messages === undefined) return false;
    for (const message of messages) this.#count(subscriber, message);
    return true;
  }

  /** One text frame that `subscriber` received with the current read. */
  take(subscriber: Subscriber, buffer: Buffer, start: number, end: number): void {
    const seq = trailingSeq(buffer, start, end);
    const known = seq < 0 ? undefined : this.#ring[seq % ringSize];
    const isKnown = known !== undefined && known.seq === seq && known.bytes === end - start;
    const seen = isKnown ? known : this.#parse(buffer.toString('utf8', start, end), end - start);
    if (seen === undefined) return this.#echo.spoil();
    this.#echo.note(seen, start, end);
    this.#count(subscriber, seen);
  }

  fail(reason: string): void {
    if (this.#failures.length < failuresMax) this.#failures.push(reason);
  }

  /** What came since the last report; starts anew, but every socket keeps its place (X2). */
  report(): DeliveryReport {
    const report = {
      deliveries: this.#deliveries,
      reads: this.#reads,
      latency: this.#latency.encode(),
      ids: this.#ids,
      failures: this.#failures.splice(0),
    };
    this.#deliveries = 0;
    this.#reads = 0;
    this.#latency.reset();
    this.#ids = [];
    return report;
  }

  #count(subscriber: Subscriber, message: Seen): void {
    const expected = subscriber.lastSeq === undefined ? message.seq : subscriber.lastSeq + 1;
    if (message.seq !== expected) this.fail(`a socket got seq ${message.seq} where ${expected} was next`);
    subscriber.lastSeq = message.seq;
    this.#deliveries += 1;
    this.#latency.record(this.#readAtUs - message.dueUs);
    if (this.#readCounted) return;
    this.#readCounted = true;
    this.#reads += 1;
  }

  /** Undefined for frames that are no messages of the channel: hello, presence, other streams. */
  #parse(text: string, bytes: number): Seen | undefined {
    const frame = JSON.parse(text) as { type?: unknown; channel?: unknown; seq?: unknown; text?: unknown };
    if (frame.type !== 'message' || frame.channel !== this.#channel || typeof frame.seq !== 'number') return undefined;
    const ours = parseText(frame.text);
    if (ours === undefined) return undefined;
    const seen = { seq: frame.seq, bytes, dueUs: ours.dueUs };
    this.#remember(seen, ours.id, text);
    return seen;
  }

  #remember(seen: Seen, id: number, text: string): void {
    this.#ring[seen.seq % ringSize] = seen;
    // Sockets are read one after another, so the first copy of a seq comes after the first copy of the one before.
    if (seen.seq <= this.#highestSeq) return;
    this.#highestSeq = seen.seq;
    this.#ids.push(id);
    this.#frame = text;
  }
}

/** The number in `…,"seq":N}` at the very end of a JSON object; -1 when it does not end so. */
function trailingSeq(buffer: Buffer, start: number, end: number): number {
  if (buffer[end - 1] !== brace) return -1;
  let seq = 0;
  let scale = 1;
  let at = end - 2;
  for (let byte = buffer[at] ?? 0; at > start && byte >= zero && byte <= nine; byte = buffer[at] ?? 0) {
    seq += (byte - zero) * scale;
    scale *= 10;
    at -= 1;
  }
  return scale > 1 && buffer[at] === colon && buffer[at - 1] === quote ? seq : -1;
}
