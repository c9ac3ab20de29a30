/** What is told of a channel at a fault, from when its posts were due and acknowledged. */
import { describe, expect, it } from 'vitest';
import { backAfterMs, pauseOf } from '../../../bench/channel-pauses.ts';
import type { Acknowledged } from '../../../bench/failover-poster.ts';

/** One post every 20 ms, acknowledged after 5 ms; nothing is acknowledged from `stallMs` on, for `forMs`. */
function acksWith(stallMs: number, forMs: number, count = 100): Acknowledged[] {
  return Array.from({ length: count }, (_, i) => {
    const dueMs = i * 20;
    const usualMs = dueMs + 5;
    const atMs = usualMs >= stallMs && usualMs < stallMs + forMs ? stallMs + forMs : usualMs;
    return {
      dueUs: dueMs * 1_000,
      atUs: atMs * 1_000,
      decidedMs: 1_000_000 + atMs - 1,
      refusals: atMs > usualMs ? 1 : 0,
    };
  });
}

describe('the pause of a channel', () => {
  it('is seen when it is shorter than six periods of the load', () => {
    expect(pauseOf(acksWith(1_000, 60), 900_000, 1_300_000)?.longestMs).toBe(60);
  });

  it('counts from when the posts were due, and each of those that had to wait', () => {
    const pause = pauseOf(acksWith(1_001, 300), 900_000, 1_600_000);
    // Due at 1,000 ms; answers until 1,301 ms were held back, those of the fifteen posts after it too.
    expect(pause?.longestMs).toBe(301);
    expect(pause?.refusals).toBe(15);
  });

  it('takes in a post that was under way when it began, and one that is answered after its end', () => {
    expect(pauseOf(acksWith(1_000, 500), 1_010_000, 1_200_000)?.longestMs).toBe(500);
  });

  it('is unknown, not nothing, without an acknowledged post that was due meanwhile', () => {
    const acks = acksWith(0, 0, 50);
    expect(pauseOf(acks, 1_000_000, 1_300_000)).toBeUndefined();
    expect(pauseOf([], 0, 1_000)).toBeUndefined();
    // The only answer is to a post from before it.
    expect(pauseOf(acks, 984_000, 990_000)).toBeUndefined();
  });
});

describe('a channel', () => {
  const acks = acksWith(1_000, 250);

  it('is back with the first acknowledgement of something decided after the fault', () => {
    expect(backAfterMs(acks, 1_000_000, 1_001_000)).toBe(250);
  });

  it('is not back with an answer of the dead owner that was still on its way', () => {
    const late = { dueUs: 990_000, atUs: 1_002_000, decidedMs: 1_000_995, refusals: 0 };
    const before = acks.filter(({ atUs }) => atUs < 1_002_000);
    expect(backAfterMs([...before, late], 1_000_000, 1_001_000)).toBeUndefined();
  });
});
