import { beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../../../platform/clock.ts';
import { SharedTicks } from '../../../platform/shared-ticks.ts';

let clock: ManualClock;
let ticks: SharedTicks;
let timersSet: number;

beforeEach(() => {
  clock = new ManualClock();
  timersSet = 0;
  ticks = new SharedTicks({
    nowMs: () => clock.monotonicMs(),
    setTimeout: (run, delayMs) => {
      timersSet += 1;
      return clock.setTimeout(run, delayMs);
    },
  });
});

test('intervals set at different times fire at the same times, with one timer for each', () => {
  const fired: [string, number][] = [];
  ticks.add(() => fired.push(['a', clock.monotonicMs()]), 50);
  clock.advance(13);
  ticks.add(() => fired.push(['b', clock.monotonicMs()]), 100);
  clock.advance(20);
  ticks.add(() => fired.push(['c', clock.monotonicMs()]), 50);
  clock.advance(170);
  expect(fired.map(([name, atMs]) => `${name}${atMs}`)).toEqual(
    'a50 b100 c100 a100 c150 a150 b200 c200 a200'.split(' '),
  );
  expect(timersSet).toBe(6);
});

test('a late timer shifts nothing that follows', () => {
  const fired: number[] = [];
  ticks.add(() => fired.push(clock.monotonicMs()), 100);
  clock.setTimeout(() => fired.push(-1), 99);
  clock.advance(1_000);
  expect(fired.filter((atMs) => atMs >= 0)).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000]);
});

test('a cancelled interval never fires, also when another one of the same moment cancels it', () => {
  const fired: string[] = [];
  const first = ticks.add(() => {
    fired.push('first');
    second.cancel();
    first.cancel();
  }, 50);
  const second = ticks.add(() => fired.push('second'), 50);
  clock.advance(500);
  expect(fired).toEqual(['first']);
  expect(clock.pendingCount).toBe(0);
});
