/** Open loop pacing: the schedule stands still for nobody. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runSchedule, Schedule } from '../../../bench/schedule.ts';
import { ManualClock } from '../../../platform/clock.ts';

describe('Schedule', () => {
  it('gives every message once, none before it is due', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.array(fc.integer({ min: 0, max: 50_000 })), (rate, steps) => {
        const schedule = new Schedule(1_000, rate, 100);
        const taken: number[] = [];
        let nowUs = 1_000;
        for (const step of [...steps, 200_000_000]) {
          nowUs += step;
          for (let due = schedule.take(nowUs); due !== undefined; due = schedule.take(nowUs)) {
            expect(due.dueUs).toBeLessThanOrEqual(nowUs);
            expect(due.dueUs).toBe(schedule.dueUs(due.index));
            taken.push(due.index);
          }
        }
        expect(taken).toEqual(Array.from({ length: 100 }, (_, index) => index));
      }),
    );
  });

  it('keeps due times where they were after a stall', async () => {
    const clock = new ManualClock();
    const machine = { nowUs: () => clock.monotonicMs() * 1_000 };
    const fired: [number, number][] = [];
    const schedule = new Schedule(0, 1_000, 20);
    const done = runSchedule(clock, machine, schedule, (index, dueUs) => void fired.push([index, dueUs]));
    clock.advance(5);
    const beforeStall = fired.length;
    // The process stalls: its timers fire late, all at once.
    clock.advance(100);
    await done;
    expect(beforeStall).toBeLessThan(20);
    expect(fired).toEqual(Array.from({ length: 20 }, (_, index) => [index, index * 1_000]));
  });

  it('goes on until it is told that nothing more is due', async () => {
    const clock = new ManualClock();
    const machine = { nowUs: () => clock.monotonicMs() * 1_000 };
    const schedule = new Schedule(0, 1_000, Infinity);
    const done = runSchedule(clock, machine, schedule, () => undefined);
    clock.advance(50);
    const { taken } = schedule;
    schedule.end();
    clock.advance(50);
    await done;
    expect([taken > 40, schedule.taken]).toEqual([true, taken]);
  });
});
