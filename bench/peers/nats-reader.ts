/**
 * Cuts what a nats-server sends to a client with one subscription: messages, pings and answers; no object per message.
 *
 * B1  The bytes handed out are only valid during the call.
 * B2  An error of the server, and what no server sends to such a client, throws.
 */
import { ChunkCutter } from '../chunk-cutter.ts';

export type NatsSink = {
  /** The payload of a message. */
  onMessage(buffer: Buffer, start: number, end: number): void;
  onPing(): void;
  onPong(): void;
};

const lineBytesMax = 65_536;
const lineFeed = 0x0a;
const zero = 0x30;
const nine = 0x39;
const letter = { M: 0x4d, P: 0x50, I: 0x49, O: 0x4f, plus: 0x2b } as const;
const endBytes = 2;

export class NatsReader {
  readonly #sink: NatsSink;
  readonly #chunks = new ChunkCutter((buffer, length) => this.#cut(buffer, length));

  constructor(sink: NatsSink) {
    this.#sink = sink;
  }

  /** Whether what comes next begins with something new. */
  get isBetweenFrames(): boolean {
    return this.#chunks.isEmpty;
  }

  /** Takes the first `length` bytes of `chunk`. @throws Error (B2) */
  push(chunk: Buffer, length: number): void {
    this.#chunks.push(chunk, length);
  }

  #cut(buffer: Buffer, length: number): number {
    let at = 0;
    while (at < length) {
      const lineEnd = buffer.indexOf(lineFeed, at);
      if (lineEnd < 0 || lineEnd >= length) {
        if (length - at > lineBytesMax) throw new Error('nats: a line is too long');
        break;
      }
      const next = this.#take(buffer, at, lineEnd + 1, length);
      if (next === undefined) break;
      at = next;
    }
    return at;
  }

  /** Where the next one begins; undefined while this one's payload is not whole. */
  #take(buffer: Buffer, at: number, payload: number, length: number): number | undefined {
    const first = buffer[at];
    if (first === letter.M) {
      const end = payload + trailingNumber(buffer, payload - endBytes - 1);
      if (end + endBytes > length) return undefined;
      this.#sink.onMessage(buffer, payload, end);
      return end + endBytes;
    }
    if (first === letter.P && buffer[at + 1] === letter.O) this.#sink.onPong();
    else if (first === letter.P && buffer[at + 1] === letter.I) this.#sink.onPing();
    else if (first !== letter.I && first !== letter.plus) {
      throw new Error(`nats: ${buffer.toString('latin1', at, payload - endBytes)}`);
    }
    return payload;
  }
}

/** The number whose last digit stands at `at`: a message's line ends in the size of its payload. */
function trailingNumber(buffer: Buffer, at: number): number {
  let value = 0;
  let scale = 1;
  for (let byte = buffer[at] ?? 0; byte >= zero && byte <= nine; byte = buffer[at] ?? 0) {
    value += (byte - zero) * scale;
    scale *= 10;
    at -= 1;
  }
  return value;
}
