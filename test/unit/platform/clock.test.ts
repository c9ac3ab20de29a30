import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { ManualClock, systemClock } from '../../../platform/clock.ts';

describe('ManualClock', () => {
  it('stands still until it is advanced', () => {
    const clock = new ManualClock(5_000);
    const run = vi.fn();
    clock.setTimeout(run, 0);
    expect([clock.wallMs(), clock.monotonicMs(), run.mock.calls.length]).toEqual([5_000, 0, 0]);
    clock.advance(0);
    expect(run).toHaveBeenCalledOnce();
  });

  it('fires timers by due time, and equal ones in the order they were set', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 }), (delaysMs) => {
        const clock = new ManualClock();
        const fired: Array<{ at: number; index: number }> = [];
        delaysMs.forEach((delayMs, index) => {
          clock.setTimeout(() => fired.push({ at: clock.monotonicMs(), index }), delayMs);
        });
        clock.advance(20);
        const expected = delaysMs.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at || a.index - b.index);
        expect(fired).toEqual(expected);
        expect(clock.pendingCount).toBe(0);
      }),
    );
  });

  it('fires timers that other timers set, within one advance', () => {
    const clock = new ManualClock();
    const at: number[] = [];
    clock.setTimeout(() => clock.setTimeout(() => at.push(clock.monotonicMs()), 5), 5);
    clock.advance(10);
    expect(at).toEqual([10]);
  });

  it('repeats an interval until it is cancelled, also from inside', () => {
    const clock = new ManualClock();
    let count = 0;
    const timer = clock.setInterval(() => {
      count += 1;
      if (count === 3) timer.cancel();
    }, 10);
    clock.advance(1_000);
    expect([count, clock.pendingCount]).toEqual([3, 0]);
    timer.cancel();
  });

  it('never fires a cancelled timer', () => {
    const clock = new ManualClock();
    const run = vi.fn();
    clock.setTimeout(run, 10).cancel();
    clock.advance(100);
    expect(run).not.toHaveBeenCalled();
  });

  it('steps the wall clock back without touching the monotonic one', () => {
    const clock = new ManualClock(10_000);
    clock.stepWall(-3_000);
    clock.advance(100);
    expect([clock.wallMs(), clock.monotonicMs()]).toEqual([7_100, 100]);
  });

  it('ends a sleep with true when the time has passed and false when aborted', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const slept = clock.sleep(50);
    const cut = clock.sleep(50, abort.signal);
    abort.abort();
    clock.advance(50);
    expect([await slept, await cut, await clock.sleep(50, abort.signal)]).toEqual([true, false, false]);
    expect(clock.pendingCount).toBe(0);
  });

  it('lets promises settle between timers in advanceAndSettle', async () => {
    const clock = new ManualClock();
    const at: number[] = [];
    const loop = (async () => {
      for (let turn = 0; turn < 3; turn += 1) {
        await clock.sleep(10);
        at.push(clock.monotonicMs());
      }
    })();
    await clock.advanceAndSettle(30);
    await loop;
    expect(at).toEqual([10, 20, 30]);
  });

  it('refuses delays that a runtime would turn into none', () => {
    const clock = new ManualClock();
    for (const delayMs of [-1, Number.NaN, 2 ** 31]) expect(() => clock.setTimeout(() => {}, delayMs)).toThrow();
    expect(() => clock.setInterval(() => {}, 0)).toThrow();
    expect(() => systemClock.setTimeout(() => {}, 2 ** 31)).toThrow();
  });
});

describe('systemClock', () => {
  it('runs a timer, an interval and a sleep', async () => {
    const startMs = systemClock.monotonicMs();
    const ran = await new Promise<string>((resolve) => {
      const timer = systemClock.setInterval(() => {
        timer.cancel();
        systemClock.setTimeout(() => resolve('ran'), 1);
      }, 1);
    });
    expect(ran).toBe('ran');
    expect(await systemClock.sleep(1)).toBe(true);
    expect(systemClock.monotonicMs()).toBeGreaterThan(startMs);
    expect(systemClock.wallMs()).toBeGreaterThan(1_600_000_000_000);
  });
});
