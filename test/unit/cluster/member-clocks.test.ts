/** What nodes make of each other's clocks, which agree in nothing and step. */
import { describe, expect, it } from 'vitest';
import { ClusterLab, NodeClock } from '../../support/cluster-lab.ts';

describe("another node's clock", () => {
  it("is known as it runs there: a gateway's monotonic one to a webapp, whatever either takes the time to be", async () => {
    const lab = new ClusterLab();
    const clock = new NodeClock(lab.clock);
    clock.monotonicOffsetMs = -5_000_000;
    lab.startWorker('w');
    const webapp = lab.startMember('a1', 'webapp');
    lab.startMember('g1', 'gateway', clock);
    const shown = () => webapp.gateways().map(({ monotonicMs }) => Math.abs(monotonicMs - clock.monotonicMs()));
    await lab.until('the gateway to take sessions', () => shown().length === 1, 3_000);
    expect(shown()[0]).toBeLessThan(50);
    for (const stepMs of [60_000, -120_000]) {
      clock.wallOffsetMs += stepMs;
      await lab.run(300);
      expect(shown()[0]).toBeLessThan(50);
    }
  });

  it('is what its own is compared with: each node tells how far it is ahead of the median one', async () => {
    const lab = new ClusterLab();
    const clock = new NodeClock(lab.clock);
    clock.wallOffsetMs = 60_000;
    lab.startWorker('w1');
    lab.startWorker('w2');
    const [right, wrong] = [lab.startMember('a1', 'webapp'), lab.startMember('a2', 'webapp', clock)];
    await lab.settled();
    await lab.until('heartbeats', () => wrong.membership.clockAheadMs() > 0, 3_000);
    expect(wrong.membership.clockAheadMs()).toBeCloseTo(60_000, -2);
    expect(Math.abs(right.membership.clockAheadMs())).toBeLessThan(50);
  });
});
