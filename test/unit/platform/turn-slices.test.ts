import { expect, test } from 'vitest';
import { TurnSlices } from '../../../platform/turn-slices.ts';

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

test('a queue that never empties keeps its order', () => {
  const done: number[] = [];
  const turns: (() => void)[] = [];
  let nowMs = 0;
  let added = 0;
  const slices = new TurnSlices({ monotonicMs: () => nowMs, defer: (run) => turns.push(run) }, 10);
  const add = (count: number) => {
    for (const end = added + count; added < end; ) {
      const n = added++;
      slices.run(() => {
        nowMs += 1;
        done.push(n);
      });
    }
  };
  add(1_000);
  for (let turn = 0; turn < 500; turn += 1) {
    add(10);
    turns.splice(0).forEach((run) => run());
  }
  expect(done.length).toBe(5_010);
  expect(done).toEqual(done.map((_, index) => index));
});
