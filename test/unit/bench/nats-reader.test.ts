/** The NATS load client's reader: whole messages out of any cut of what a server sends. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NatsReader } from '../../../bench/peers/nats-reader.ts';

const info = 'INFO {"server_id":"N","max_payload":1048576}\r\n';

describe('NatsReader', () => {
  it('hands out every message once, in order, however the stream is cut', () => {
    const payloads = fc.array(fc.string({ maxLength: 40 }), { maxLength: 20 });
    fc.assert(
      fc.property(payloads, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (texts, cuts) => {
        const { messages } = read(info + texts.map(message).join(''), cuts);
        expect(messages).toEqual(texts);
      }),
    );
  });

  it('takes a payload with line ends and protocol words in it for what it is', () => {
    const text = 'a\r\nPING\r\nMSG room 1 3\r\n';
    expect(read(message(text) + message('b'), [7])).toEqual({ messages: [text, 'b'], pings: 0, pongs: 0 });
  });

  it('tells pings and their answers apart', () => {
    expect(read('PONG\r\nPING\r\n+OK\r\nPING\r\n', [1_000])).toEqual({ messages: [], pings: 2, pongs: 1 });
  });

  it("throws the server's error with its words", () => {
    expect(() => read("-ERR 'Slow Consumer'\r\n", [1_000])).toThrow("nats: -ERR 'Slow Consumer'");
  });
});

function message(text: string): string {
  return `MSG room 1 ${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

function read(stream: string, cuts: readonly number[]) {
  const seen = { messages: [] as string[], pings: 0, pongs: 0 };
  const reader = new NatsReader({
    onMessage: (buffer, start, end) => void seen.messages.push(buffer.toString('utf8', start, end)),
    onPing: () => (seen.pings += 1),
    onPong: () => (seen.pongs += 1),
  });
  const bytes = Buffer.from(stream);
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const part = Buffer.from(bytes.subarray(at, at + (cuts[turn % cuts.length] ?? 1)));
    reader.push(part, part.length);
    at += part.length;
  }
  return seen;
}
