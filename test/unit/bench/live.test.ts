/** What is seen while a scenario runs: rates step by step, in one line, where somebody looks. */
import { describe, expect, it } from 'vitest';
import { liveLine } from '../../../bench/live-line.ts';
import { openProgress } from '../../../bench/progress.ts';
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

describe('progress', () => {
  const shown = (kind: 'auto' | 'plain' | 'off', isTTY: boolean): string[] => {
    const clock = new ManualClock();
    const written: string[] = [];
    const progress = openProgress(kind, clock, { isTTY, columns: 10, write: (text) => written.push(String(text)) > 0 });
    progress.show('one');
    progress.show('twelve letters');
    clock.advance(1_000);
    progress.show('three');
    progress.clear();
    return written;
  };

  it('rewrites one line on a terminal, cut so that it never wraps', () => {
    expect(shown('auto', true)).toEqual(['one', 'twelve le', 'three', ''].map((text) => `\r\x1b[2K${text}`));
  });

  it('is silent elsewhere, or when that is asked for', () => {
    expect(shown('auto', false)).toEqual([]);
    expect(shown('off', true)).toEqual([]);
  });

  it('is at most one plain line a second when that is asked for', () => {
    expect(shown('plain', false)).toEqual(['one\n', 'three\n']);
  });
});
