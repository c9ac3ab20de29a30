/** The search for the highest rate that a side of the fan-out sustains. */
import { describe, expect, it } from 'vitest';
import type { Delivered } from '../../../bench/fanout-checks.ts';
import { LatencyHistogram } from '../../../bench/histogram.ts';
import { saturatedP99MsMax, sustainedRate } from '../../../bench/sustained-rate.ts';

describe('sustainedRate', () => {
  it.each([140, 333, 799])('stays below what a server that takes %i a second takes, and not by much', async (most) => {
    const rate = await sustainedRate(1_000, serverOf(most));
    expect(rate).toBeLessThanOrEqual(most * 0.85);
    expect(rate).toBeGreaterThan(most * 0.75);
  });

  it('is what was asked for where that is sustained, and is not sought beyond', async () => {
    const tried: number[] = [];
    const rate = await sustainedRate(1_000, async (wanted) => {
      tried.push(wanted);
      return serverOf(5_000)(wanted);
    });
    expect(rate).toBe(1_000);
    expect(Math.max(...tried)).toBe(1_000);
  });

  it('does not take one bad second for the end', async () => {
    let tries = 0;
    const rate = await sustainedRate(400, (wanted) => serverOf((tries += 1) % 2 === 1 ? 0 : 5_000)(wanted));
    expect(rate).toBe(400);
  });

  it('takes a rate that loses messages for too high, however quick the others were', async () => {
    const losing = async (rate: number) => ({ ...(await serverOf(5_000)(rate)), failures: rate > 100 ? ['lost'] : [] });
    expect(await sustainedRate(1_000, losing)).toBeLessThanOrEqual(100);
  });

  it('never goes below the rate that it begins with, or was asked for', async () => {
    expect(await sustainedRate(1_000, serverOf(1))).toBe(50);
    expect(await sustainedRate(20, serverOf(1))).toBe(20);
  });
});

/** Delivers at once up to `most` messages a second, and late beyond. */
function serverOf(most: number): (rate: number) => Promise<Delivered> {
  return async (rate) => {
    const latency = new LatencyHistogram();
    latency.record((rate <= most ? saturatedP99MsMax - 1 : saturatedP99MsMax + 1) * 1_000);
    return { reports: [{ deliveries: 1, reads: 1, latency: latency.encode(), ids: [1], failures: [] }], failures: [] };
  };
}
