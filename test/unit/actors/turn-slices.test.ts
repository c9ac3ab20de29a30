import { expect, test } from 'vitest';
import { TurnSlices } from '../../../actors/turn-slices.ts';

test('work is done at once while the turn has time for it, and goes on in the next one, in order', () => {
  const done: number[] = [];
  const turns: (() => void)[] = [];
  let nowMs = 0;
  const slices = new TurnSlices({ monotonicMs: () => nowMs, defer: (run) => turns.push(run) }, 10);
  for (let n = 1; n <= 7; n += 1) {
    slices.run(() => {
      nowMs += 4;
      done.push(n);
    });
  }
  const turn = () => turns.splice(0).forEach((run) => run());
  expect(done).toEqual([1, 2, 3]);
  turn();
  expect(done).toEqual([1, 2, 3, 4, 5, 6]);
  turn();
  expect(done).toEqual([1, 2, 3, 4, 5, 6, 7]);
  turn();
  expect(turns).toEqual([]);
});
