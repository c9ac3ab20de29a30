/** What the fan-out scenario calls a delivery, and what it calls a failure. */
import { describe, expect, it } from 'vitest';
import { DeliveryCounter, type Subscriber } from '../../../bench/delivery-counter.ts';
import { checkDelivery } from '../../../bench/fanout-checks.ts';
import { LatencyHistogram } from '../../../bench/histogram.ts';
import { makeText } from '../../../bench/message-text.ts';

const channel = 'C0123456789';
const dueUs = 5_000_000;

describe('DeliveryCounter', () => {
  it('counts each message on each socket, with its latency from when it was due', () => {
    const { counter, sockets } = make(3);
    for (const seq of [7, 8]) for (const socket of sockets) deliver(counter, socket, message(seq), 12_000);
    const report = counter.report();
    expect(report).toMatchObject({ deliveries: 6, reads: 6, ids: [7, 8], failures: [] });
    expect(LatencyHistogram.decode(report.latency).percentiles().p50Ms).toBeCloseTo(12, 0);
    expect(counter.reached(8)).toBe(3);
    expect(counter.reached(9)).toBe(0);
  });

  it.each([
    ['a hole', [1, 2, 4]],
    ['a double', [1, 2, 2]],
    ['a step back', [1, 2, 1]],
  ])('calls %s in one socket a failure', (_, seqs) => {
    const { counter, sockets } = make(2);
    for (const seq of [1, 2, 3, 4]) deliver(counter, sockets[0], message(seq));
    for (const seq of seqs) deliver(counter, sockets[1], message(seq));
    expect(counter.report().failures).toHaveLength(1);
  });

  it('ignores what is no message of the channel, also with a seq that it knows', () => {
    const { counter, sockets } = make(1);
    deliver(counter, sockets[0], message(1));
    deliver(counter, sockets[0], JSON.stringify({ type: 'hello' }));
    deliver(counter, sockets[0], message(1).replace(channel, 'C0000000000 '));
    deliver(counter, sockets[0], JSON.stringify({ type: 'team_join', stream: 'T1', seq: 1 }));
    expect(counter.report()).toMatchObject({ deliveries: 1, failures: [] });
  });

  it('keeps the places of its sockets from report to report', () => {
    const { counter, sockets } = make(1);
    deliver(counter, sockets[0], message(1));
    counter.report();
    deliver(counter, sockets[0], message(3));
    expect(counter.report()).toMatchObject({ deliveries: 1, ids: [3], failures: [expect.stringContaining('seq 3')] });
  });
});

describe('a read with the bytes of another socket', () => {
  it('counts each of its messages for this socket, as if it had been cut', () => {
    const { counter, sockets } = make(3);
    expect(sockets.map((socket) => read(counter, socket, [1, 2, 3, 4]))).toEqual([false, true, true]);
    expect(counter.report()).toMatchObject({ deliveries: 12, reads: 3, ids: [1, 2, 3, 4], failures: [] });
    expect(counter.reached(4)).toBe(3);
  });

  it('does not hide a hole or a double of this socket', () => {
    const { counter, sockets } = make(2);
    for (const socket of sockets) read(counter, socket, [1, 2, 3, 4]);
    read(counter, sockets[0], [5, 6, 7, 8]);
    read(counter, sockets[0], [9, 10, 11, 12]);
    expect(read(counter, sockets[1], [9, 10, 11, 12])).toBe(true);
    expect(counter.report().failures).toEqual(['a socket got seq 9 where 5 was next']);
    expect(read(counter, sockets[1], [9, 10, 11, 12])).toBe(true);
    expect(counter.report().failures).toEqual(['a socket got seq 9 where 13 was next']);
  });

  it.each([
    ['has another byte', (text: string) => text.replace('quick', 'quack')],
    ['is longer', (text: string) => `${text}#`],
  ])('is none when it %s', (_, change) => {
    const { counter, sockets } = make(1);
    read(counter, sockets[0], [1, 2, 3, 4]);
    const same = [1, 2, 3, 4].map((seq) => `HEAD${message(seq)}`).join('');
    const isEcho = (bytes: Buffer) => counter.takeEcho(counter.subscriber(), bytes, bytes.length);
    expect(isEcho(Buffer.from(same))).toBe(true);
    expect(isEcho(Buffer.from(change(same)))).toBe(false);
  });

  it('is cut again where something stood between the messages, or they were no whole read', () => {
    const { counter, sockets } = make(3);
    const frames = [1, 2, 3, 4].map(message);
    for (const socket of sockets.slice(0, 2))
      expect(readFrames(counter, socket, frames, ['', 'ping', '', ''])).toBe(false);
    readFrames(counter, sockets[2], frames, [], false);
    expect(readFrames(counter, counter.subscriber(), frames, [])).toBe(false);
  });
});

describe('checkDelivery', () => {
  const clean = { deliveries: 6, reads: 6, latency: '', ids: [10, 11, 12], failures: [] };

  it('is content when every message came once on every socket', () => {
    expect(checkDelivery([clean], 2, 10, 3)).toEqual([]);
  });

  it.each([
    ['missing deliveries', { ...clean, deliveries: 5 }],
    ['a message that never came', { ...clean, ids: [10, 11] }],
    ['a message that came twice under two seqs', { ...clean, ids: [10, 11, 11, 12] }],
    ['a message that nobody posted', { ...clean, ids: [10, 11, 12, 99] }],
    ['a failure of a socket', { ...clean, failures: ['a hole'] }],
  ])('finds %s', (_, report) => {
    expect(checkDelivery([report], 2, 10, 3)).toHaveLength(1);
  });
});

function make(count: number): { counter: DeliveryCounter; sockets: Subscriber[] } {
  const counter = new DeliveryCounter(channel);
  return { counter, sockets: Array.from({ length: count }, () => counter.subscriber()) };
}

function message(seq: number): string {
  return JSON.stringify({ type: 'message', channel, user: 'U1', text: makeText(seq, dueUs, 250), ts: '1.2', seq });
}

function deliver(counter: DeliveryCounter, socket: Subscriber | undefined, frame: string, latencyUs = 1): void {
  if (socket === undefined) throw new Error('no such socket');
  // Frames stand somewhere in a buffer, with others before and behind.
  const buffer = Buffer.from(`##${frame}9}##`);
  counter.beginRead(dueUs + latencyUs);
  counter.take(socket, buffer, 2, 2 + Buffer.byteLength(frame));
}

/** One read of messages, each in a frame with a head of four bytes; whether it was taken as an echo. */
function read(counter: DeliveryCounter, socket: Subscriber | undefined, seqs: readonly number[]): boolean {
  return readFrames(counter, socket, seqs.map(message), []);
}

/** `before`: bytes in front of each frame. `whole`: whether the read begins with a frame. */
function readFrames(
  counter: DeliveryCounter,
  socket: Subscriber | undefined,
  frames: readonly string[],
  before: readonly string[],
  whole = true,
): boolean {
  if (socket === undefined) throw new Error('no such socket');
  const parts = frames.map((frame, at) => `${before[at] ?? ''}HEAD${frame}`);
  const buffer = Buffer.from(parts.join(''));
  counter.beginRead(dueUs);
  if (whole && counter.takeEcho(socket, buffer, buffer.length)) return true;
  let end = 0;
  for (const [at, part] of parts.entries()) {
    end += part.length;
    counter.take(socket, buffer, end - (frames[at] ?? '').length, end);
  }
  return false;
}
