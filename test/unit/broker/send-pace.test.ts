import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendPace } from '../../../broker/send-pace.ts';
import { limits } from '../../../platform/limits.ts';

const { sendBurstMax, sendSpacingMs } = limits;

describe('the pace of writes to a connection', () => {
  it('delays nothing while writes are rarer than its spacing, nor a few at once after a rest', () => {
    const pace = new SendPace();
    const waits = Array.from({ length: 100 }, (_, i) => pace.take(i * sendSpacingMs));
    expect(new Set(waits)).toEqual(new Set([0]));
    const burst = Array.from({ length: sendBurstMax }, () => pace.take(1_000));
    expect(new Set(burst)).toEqual(new Set([0]));
  });

  it('spaces what comes faster, and lets none wait longer than the spacing', () => {
    // Multiples of a power of two, whose sums are exact.
    const gaps = fc.array(
      fc.integer({ min: 0, max: 192 }).map((n) => n / 64),
      { minLength: 1, maxLength: 200 },
    );
    fc.assert(
      fc.property(gaps, (gapsMs) => {
        const pace = new SendPace();
        const leftMs: number[] = [];
        let nowMs = 0;
        for (const gapMs of gapsMs) {
          // The next write is asked for when the one before has left, as a link does.
          nowMs = Math.max(nowMs, leftMs.at(-1) ?? 0) + gapMs;
          const waitMs = pace.take(nowMs);
          expect(waitMs).toBeLessThanOrEqual(sendSpacingMs);
          leftMs.push(nowMs + waitMs);
        }
        const elapsedMs = (leftMs.at(-1) ?? 0) - (leftMs[0] ?? 0);
        expect(leftMs.length).toBeLessThanOrEqual(elapsedMs / sendSpacingMs + sendBurstMax + 1);
      }),
    );
  });
});
