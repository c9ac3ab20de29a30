/** How soon `belfry dev` starts a dead process again. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failuresAfter, restartDelayMs, type Death } from '../../../bin/restart-policy.ts';
import { limits } from '../../../platform/limits.ts';

const killed: Death = { livedMs: 10, wasReady: true, killed: true };
const failedStart: Death = { livedMs: 10, wasReady: false, killed: false };

describe('the restart policy', () => {
  it('brings back what was killed after a second, however often', () => {
    let failures = 0;
    for (let death = 0; death < 20; death += 1) {
      failures = failuresAfter(failures, killed);
      expect(restartDelayMs(failures)).toBe(1_000);
    }
  });

  it('waits twice as long each time for what cannot start, up to a limit', () => {
    const delays: number[] = [];
    for (let failures = 0; delays.length < 7; ) {
      failures = failuresAfter(failures, failedStart);
      delays.push(restartDelayMs(failures));
    }
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('takes a soon exit for a failure, and a late one not', () => {
    const soon = { livedMs: limits.restartStableMs - 1, wasReady: true, killed: false };
    expect(failuresAfter(3, soon)).toBe(4);
    expect(failuresAfter(3, { ...soon, livedMs: limits.restartStableMs })).toBe(0);
  });

  it('never waits less than the first delay or more than the last', () => {
    fc.assert(
      fc.property(fc.nat(10_000), (failures) => {
        const delay = restartDelayMs(failures);
        expect(delay).toBeGreaterThanOrEqual(limits.restartDelayMs);
        expect(delay).toBeLessThanOrEqual(limits.restartDelayMsMax);
      }),
    );
  });
});
