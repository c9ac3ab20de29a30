import type { NatsConnection } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import { NatsLink } from '../../../broker/nats-link.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { RecordedWaits } from '../../support/recorded-waits.ts';

let clock: ManualClock;
let writes: number[];
let link: NatsLink;
let waits: RecordedWaits;

beforeEach(() => {
  clock = new ManualClock();
  writes = [];
  waits = new RecordedWaits();
  link = new NatsLink({ lane: 'append', connection: fakeConnection(), clock, onError: () => undefined, waits });
});

/** Connected for good; notes the size of each write. */
function fakeConnection(): NatsConnection {
  const connection: unknown = {
    protocol: { sendCommand: (bytes: Uint8Array) => void writes.push(bytes.length) },
    isClosed: () => false,
    // A status stream that never says anything.
    status: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
  };
  return connection as NatsConnection;
}

const large = new Uint8Array(limits.sendBytesMax);
const small = new Uint8Array(1);

test('what one turn publishes leaves as one write at its end', () => {
  for (let i = 0; i < 10; i += 1) link.publish('s', small);
  expect(writes).toEqual([]);
  clock.advance(0);
  expect(writes).toHaveLength(1);
});

test('writes that leave early because of their size schedule no further ones, however many there are', () => {
  for (let i = 0; i < 1_000; i += 1) link.publish('s', large);
  expect(writes).toHaveLength(1_000);
  expect(clock.pendingCount).toBe(1);
});

test('who publishes one thing after the other waits for one write in many, and under load every write gathers', () => {
  const waitsOf = (messages: number) => {
    let waits = 0;
    for (let turn = 0; turn < 1_000; turn += 1) {
      for (let i = 0; i < messages; i += 1) link.publish('s', small);
      const before = writes.length;
      clock.advance(0);
      if (writes.length === before) waits += 1;
      for (; writes.length === before; clock.advance(0.5)) if (messages > 1) link.publish('s', small);
      clock.advance(0.5);
    }
    return waits;
  };
  expect(waitsOf(1)).toBeLessThanOrEqual(1_000 / limits.sendBurstMax);
  clock.advance(1_000);
  expect(waitsOf(2)).toBeGreaterThan(900);
});

test('each write counts once: as no wait at the end of its turn, and with its first message when it was spaced', () => {
  for (let turn = 0; turn < limits.sendBurstMax; turn += 1) {
    for (let i = 0; i < 3; i += 1) link.publish('s', small);
    clock.advance(0);
  }
  expect(waits.take()).toEqual(Array.from({ length: limits.sendBurstMax }, () => 0));
  link.publish('s', small);
  clock.advance(1);
  link.publish('s', small);
  clock.advance(limits.sendSpacingMs - 1);
  expect(waits.take()).toEqual([limits.sendSpacingMs]);
});
