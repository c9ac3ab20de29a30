/** What is seen while a scenario runs: rates step by step, in one line. */
import { describe, expect, it } from 'vitest';
import { liveLine } from '../../../bench/live-line.ts';
import { RateMeter } from '../../../bench/rate-meter.ts';
import { ManualClock } from '../../../platform/clock.ts';

function metered(...steps: readonly (readonly [number, number])[]): RateMeter {
  const clock = new ManualClock();
  const meter = new RateMeter(clock);
  for (const [afterMs, count] of steps) {
    clock.advance(afterMs);
    meter.add(count);
  }
  return meter;
}

describe('the rate', () => {
  it('is the mean of each step, not of all', () => {
    const points = metered([500, 100], [500, 400]).points();
    expect(points).toEqual([
      { atSeconds: 0.5, perSecond: 200 },
      { atSeconds: 1, perSecond: 600 },
    ]);
  });

  it('leaves out the step in which the count began anew', () => {
    const points = metered([500, 100], [500, 0], [500, 50]).points();
    expect(points.map(({ perSecond }) => perSecond)).toEqual([200, 100]);
  });
});

describe('the live line', () => {
  it('says whose it is, how far, how much, and how fast now and before', () => {
    const points = metered([1_000, 1_000], [1_000, 3_000]).points();
    const line = liveLine({ subject: 'belfry', noun: 'posts', count: 3_000, seconds: 5 }, points);
    expect(line).toBe('belfry  2.0 of 5 s  3,000 posts  2,000/s  ▄█');
  });
});
