/**
 * Cuts a stream of bytes into WebSocket frames, as cheaply as it can be done in JavaScript: no object per frame, no
 * copy unless a frame is split between two reads. A general client costs more per frame than the server it measures.
 *
 * V1  The bytes handed out are only valid during the call; the reader's caller may reuse its buffer afterwards.
 * V2  Frames of a server: unmasked and whole. Fragments, masks and lengths beyond `frameBytesMax` are errors.
 */
import { ChunkCutter } from './chunk-cutter.ts';

export const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const;

/** Gets frame after frame: its opcode, and where its payload stands in `buffer`. */
export type FrameSink = (opcode: number, buffer: Buffer, start: number, end: number) => void;

const frameBytesMax = 1_048_576;
const finBit = 0x80;
const maskBit = 0x80;
const length16 = 126;
const length64 = 127;

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #chunks = new ChunkCutter((buffer, length) => this.#cut(buffer, length));

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether what comes next begins with a frame. */
  get isBetweenFrames(): boolean {
    return this.#chunks.isEmpty;
  }

  /** Takes the first `length` bytes of `chunk`. @throws Error for what no server of ours sends (V2). */
  push(chunk: Buffer, length: number): void {
    this.#chunks.push(chunk, length);
  }

  /** Hands out whole frames; returns where the rest begins. */
  #cut(buffer: Buffer, length: number): number {
    let at = 0;
    while (at + 2 <= length) {
      const start = payloadStart(buffer, at);
      if (start > length) break;
      const end = start + payloadLength(buffer, at);
      if (end > length) break;
      checkFrame(buffer, at, end - start);
      this.#sink((buffer[at] ?? 0) & 0x0f, buffer, start, end);
      at = end;
    }
    return at;
  }
}

function payloadStart(buffer: Buffer, at: number): number {
  const short = (buffer[at + 1] ?? 0) & 0x7f;
  return at + (short === length16 ? 4 : short === length64 ? 10 : 2);
}

/** Only called when the whole head is there. */
function payloadLength(buffer: Buffer, at: number): number {
  const short = (buffer[at + 1] ?? 0) & 0x7f;
  if (short === length16) return buffer.readUInt16BE(at + 2);
  return short === length64 ? buffer.readUInt32BE(at + 2) * 2 ** 32 + buffer.readUInt32BE(at + 6) : short;
}

function checkFrame(buffer: Buffer, at: number, bytes: number): void {
  if (((buffer[at] ?? 0) & finBit) === 0) throw new Error('websocket: a fragment, which this reader does not join');
  if (((buffer[at + 1] ?? 0) & maskBit) !== 0) throw new Error('websocket: a masked frame from a server');
  if (bytes > frameBytesMax) throw new Error(`websocket: a frame of ${bytes} bytes`);
}

/** A client's frame: masked, as the protocol asks of clients; payloads up to 64 KiB. */
export function clientFrame(opcode: number, payload: Buffer): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const long = payload.length >= length16;
  const head = Buffer.alloc(long ? 4 : 2);
  head[0] = finBit | opcode;
  head[1] = maskBit | (long ? length16 : payload.length);
  if (long) head.writeUInt16BE(payload.length, 2);
  const masked = payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([head, mask, masked]);
}
