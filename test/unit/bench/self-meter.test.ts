/** What a load process sees of its own lateness. */
import { expect, it } from 'vitest';
import { SelfMeter } from '../../../bench/self-meter.ts';
import { ManualClock } from '../../../platform/clock.ts';

/** Times as they are read, timers when the test says so: an event loop that stalls. */
class StallingClock extends ManualClock {
  #stalledMs = 0;

  override monotonicMs(): number {
    return super.monotonicMs() + this.#stalledMs;
  }

  stall(ms: number): void {
    this.#stalledMs += ms;
  }
}

it('counts a stall as all the arrivals that it would have kept waiting, not as one late timer', () => {
  const clock = new StallingClock();
  const meter = new SelfMeter(clock);
  meter.begin();
  for (let stalls = 0; stalls < 5; stalls += 1) {
    clock.advance(100);
    clock.stall(50);
  }
  clock.advance(1);
  // Five late timers of 500 are one in a hundred; a third of the time, somebody would have waited.
  expect(meter.end().lagP99Ms).toBeGreaterThan(40);
});

it('begins anew with each watch', () => {
  const clock = new StallingClock();
  const meter = new SelfMeter(clock);
  meter.begin();
  clock.stall(500);
  clock.advance(1);
  meter.end();
  meter.begin();
  clock.advance(100);
  expect(meter.end().lagP99Ms).toBeLessThan(1);
});
