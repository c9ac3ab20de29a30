import { expect, test } from 'vitest';
import { AppendGate } from '../../../actors/append-gate.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { RecordedWaits } from '../../support/recorded-waits.ts';

test('appends beyond the limit wait for a place in the order in which they came, and count with what they waited', async () => {
  const clock = new ManualClock();
  const waits = new RecordedWaits();
  const gate = new AppendGate({ inFlightMax: 2, clock, waits });
  expect([gate.enter(), gate.enter()]).toEqual([undefined, undefined]);
  expect(waits.take()).toEqual([0, 0]);
  const begun: string[] = [];
  const first = gate.enter()?.then(() => begun.push('first'));
  clock.advance(5);
  const second = gate.enter()?.then(() => begun.push('second'));
  gate.leave();
  await first;
  expect([begun, waits.take()]).toEqual([['first'], [5]]);
  clock.advance(2);
  gate.leave();
  await second;
  expect([begun, waits.take()]).toEqual([['first', 'second'], [2]]);
  gate.leave();
  gate.leave();
  expect(gate.enter()).toBeUndefined();
});
