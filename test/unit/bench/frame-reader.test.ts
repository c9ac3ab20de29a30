/** The load client's WebSocket reader: whole frames out of any cut of the stream. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientFrame, FrameReader, opcodes } from '../../../bench/frame-reader.ts';

describe('FrameReader', () => {
  it('hands out every frame once, in order, however the stream is cut', () => {
    const payloads = fc.array(fc.oneof(fc.string({ maxLength: 40 }), fc.string({ minLength: 120, maxLength: 300 })), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(payloads, fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }), (texts, cuts) => {
        const stream = Buffer.concat(texts.map((text) => serverFrame(opcodes.text, Buffer.from(text))));
        expect(readInParts(stream, cuts)).toEqual(texts.map((text) => [opcodes.text, text]));
      }),
    );
  });

  it('reads a frame of more than 64 KiB, which has an eight byte length', () => {
    const text = 'x'.repeat(70_000);
    expect(readInParts(serverFrame(opcodes.text, Buffer.from(text)), [8_192])).toEqual([[opcodes.text, text]]);
  });

  it('keeps the rest of a split frame when its buffer is used again', () => {
    const frame = serverFrame(opcodes.text, Buffer.from('hello'));
    const seen: string[] = [];
    const reader = new FrameReader((_, buffer, start, end) => void seen.push(buffer.toString('utf8', start, end)));
    const shared = Buffer.alloc(16);
    frame.copy(shared, 0, 0, 3);
    reader.push(shared, 3);
    shared.fill(0xff);
    frame.copy(shared, 0, 3);
    reader.push(shared, frame.length - 3);
    expect(seen).toEqual(['hello']);
  });

  it('refuses fragments and masked frames, which no server of ours sends', () => {
    const reader = new FrameReader(() => undefined);
    expect(() => reader.push(Buffer.from([0x01, 0x00]), 2)).toThrow('fragment');
    const masked = clientFrame(opcodes.text, Buffer.from('a'));
    expect(() => new FrameReader(() => undefined).push(masked, masked.length)).toThrow('masked');
  });
});

describe('clientFrame', () => {
  it('masks its payload with the mask that it carries', () => {
    const frame = clientFrame(opcodes.pong, Buffer.from('payload'));
    const [mask, masked] = [frame.subarray(2, 6), frame.subarray(6)];
    expect(masked.map((byte, at) => byte ^ (mask[at % 4] ?? 0))).toEqual(Buffer.from('payload'));
    expect(frame[1]).toBe(0x80 | 7);
  });
});

function readInParts(stream: Buffer, cuts: readonly number[]): (readonly [number, string])[] {
  const seen: (readonly [number, string])[] = [];
  const reader = new FrameReader((opcode, buffer, start, end) => {
    seen.push([opcode, buffer.toString('utf8', start, end)]);
  });
  for (let at = 0, turn = 0; at < stream.length; turn += 1) {
    const part = Buffer.from(stream.subarray(at, at + (cuts[turn % cuts.length] ?? 1)));
    reader.push(part, part.length);
    at += part.length;
  }
  return seen;
}

function serverFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.from([0x80 | opcode, length]), payload]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}
