import { expect, it } from 'vitest';
import { HandoffPace } from '../../../cluster/handoff-pace.ts';
import { limits } from '../../../platform/limits.ts';

it('lets a change begin with few slots, go on with more, and the next one begin anew', () => {
  const pace = new HandoffPace();
  const steps = [0, 100, 200, 300, 400].map((nowMs) => {
    const slots = pace.slotsMax(nowMs);
    pace.written(slots, nowMs);
    return slots;
  });
  expect(steps).toEqual([16, 32, 64, 128, 128]);
  expect(pace.slotsMax(499)).toBe(0);
  expect(pace.waitMs(499)).toBe(1);
  pace.written(0, 1_000);
  expect(pace.slotsMax(400 + limits.handoffCalmMs)).toBe(limits.handoffSlotsMax);
  expect(pace.slotsMax(401 + limits.handoffCalmMs)).toBe(limits.handoffSlotsFirst);
});
