/** The rate at which a side of the fan-out is measured. */
import { describe, expect, it } from 'vitest';
import type { Delivered } from '../../../bench/fanout-checks.ts';
import { LatencyHistogram } from '../../../bench/histogram.ts';
import { saturatedP99MsMax, SustainedRate, type Deliver } from '../../../bench/sustained-rate.ts';

describe('a sustained rate that is sought', () => {
  it.each([140, 333, 799])('stays below what a server that takes %i a second takes, and not by much', async (most) => {
    const rate = await found(1_000, serverOf(most));
    expect(rate).toBeLessThanOrEqual(most * 0.85);
    expect(rate).toBeGreaterThan(most * 0.75);
  });

  it('leaves the same room where all that was asked for is sustained, and is not sought beyond', async () => {
    const tried: number[] = [];
    const rate = await found(1_000, (wanted) => {
      tried.push(wanted);
      return serverOf(5_000)(wanted);
    });
    expect(rate).toBe(850);
    expect(Math.max(...tried)).toBe(1_000);
  });

  it('is tried, and warmed up with, for equally long', async () => {
    const lengths = new Set<number>();
    await found(1_000, (wanted, seconds) => {
      lengths.add(seconds);
      return serverOf(300)(wanted);
    });
    expect(lengths.size).toBe(1);
  });

  it('does not take one bad second for the end', async () => {
    let tries = 0;
    const rate = await found(400, (wanted) => serverOf((tries += 1) % 2 === 1 ? 0 : 5_000)(wanted));
    expect(rate).toBe(340);
  });

  it('does not end where rates fail narrowly: who gathers more under load is quick again', async () => {
    const rate = await found(1_000, (wanted) => serverOf(wanted > 150 && wanted < 500 ? 0 : 5_000)(wanted));
    expect(rate).toBe(850);
  });

  it('ends at a rate that the side cannot keep up with', async () => {
    const tried: number[] = [];
    await found(1_000, (wanted) => {
      tried.push(wanted);
      return serverOf(150, 10 * saturatedP99MsMax + 1)(wanted);
    });
    expect(Math.max(...tried)).toBe(200);
  });

  it('takes a rate that loses messages for too high, however quick the others were', async () => {
    const losing = async (rate: number) => ({ ...(await serverOf(5_000)(rate)), failures: rate > 100 ? ['lost'] : [] });
    expect(await found(1_000, losing)).toBeLessThanOrEqual(100);
  });

  it('never goes below the rate that it begins with, or was asked for', async () => {
    expect(await found(1_000, serverOf(1))).toBe(50);
    expect(await found(20, serverOf(1))).toBe(20);
  });
});

describe('a run at a sustained rate', () => {
  it('that misses the bound is measured again at lower rates, and the runs after it stay there', async () => {
    const rate = await settled(1_000, serverOf(5_000));
    const first = await rate.measure(runOf(serverOf(700)));
    expect(first.result.rate).toBe(615);
    expect(rate.notes('belfry')).toEqual([
      'belfry: a run at 850 messages/s had a p99 of 51.01 ms and was measured again at 723',
      'belfry: a run at 723 messages/s had a p99 of 51.01 ms and was measured again at 615',
    ]);
    expect((await rate.measure(runOf(serverOf(5_000)))).result.rate).toBe(615);
  });

  it('is not measured for ever: what still misses counts as it is', async () => {
    const rate = await settled(1_000, serverOf(5_000));
    let runs = 0;
    const last = await rate.measure((wanted) => {
      runs += 1;
      return runOf(serverOf(0))(wanted);
    });
    expect(runs).toBe(5);
    expect(last.result.failures).toEqual([]);
  });

  it('that lost a message is not measured again, so that it cannot be hidden', async () => {
    const rate = await settled(1_000, serverOf(5_000));
    const losing = async (wanted: number) => ({ ...(await serverOf(0)(wanted)), failures: ['lost'] });
    const { result } = await rate.measure(runOf(losing));
    expect(result).toMatchObject({ rate: 850, failures: ['lost'] });
  });

  it('keeps the rate that was asked for, whatever it brings, where none is sought', async () => {
    const rate = new SustainedRate({ rate: 1_000, saturate: false });
    expect((await rate.find(serverOf(0))).rate).toBe(1_000);
    expect((await rate.measure(runOf(serverOf(0)))).result.rate).toBe(1_000);
  });
});

async function settled(rate: number, deliver: Deliver): Promise<SustainedRate> {
  const sought = new SustainedRate({ rate, saturate: true });
  await sought.find(deliver);
  return sought;
}

async function found(most: number, deliver: Deliver): Promise<number> {
  const rate = await settled(most, deliver);
  return (await rate.measure(runOf(serverOf(Infinity)))).result.rate;
}

function runOf(deliver: (rate: number) => Promise<Delivered>) {
  return async (rate: number) => ({ result: await deliver(rate) });
}

/** Delivers at once up to `most` messages a second, and late beyond. */
function serverOf(most: number, lateMs = saturatedP99MsMax + 1): (rate: number) => Promise<Delivered> {
  return async (rate) => {
    const latency = new LatencyHistogram();
    latency.record((rate <= most ? saturatedP99MsMax - 1 : lateMs) * 1_000);
    const report = { deliveries: 1, reads: 1, latency: latency.encode(), ids: [1], failures: [] };
    return { rate, reports: [report], failures: [] };
  };
}
