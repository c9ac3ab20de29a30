import { beforeEach, expect, test } from 'vitest';
import { CommitPace, CommitWindow } from '../../../actors/commit-window.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { RecordedWaits } from '../../support/recorded-waits.ts';

const { commitWindowMs, commitWindowTurnsCount, commitWindowWideCount, commitWindowWideMs } = limits;
const settle = () => new Promise((resolve) => setImmediate(resolve));

let clock: ManualClock;
let window: CommitWindow;
let waits: RecordedWaits;

beforeEach(() => {
  clock = new ManualClock();
  waits = new RecordedWaits();
  window = new CommitWindow(clock, waits);
});

/** Enters; true if the turn began at once. */
const begins = (pace: CommitPace) => window.enter(pace) === undefined;

/** Their last turns begin now. */
function makeBusy(...paces: CommitPace[]): void {
  for (let turn = 0; turn < commitWindowTurnsCount; turn += 1) {
    clock.advance(1);
    for (const pace of paces) expect(begins(pace)).toBe(true);
  }
}

test('a channel with room between its posts never waits', () => {
  const pace = new CommitPace();
  for (let turn = 0; turn < 100; turn += 1) {
    expect(begins(pace)).toBe(true);
    clock.advance(commitWindowMs);
  }
});

test('a few posts close together do not make a channel wait', () => {
  const pace = new CommitPace();
  for (let group = 0; group < 10; group += 1) {
    for (let turn = 0; turn < commitWindowTurnsCount; turn += 1) expect(begins(pace)).toBe(true);
    clock.advance(2 * commitWindowMs);
  }
});

test('under load turns begin a window apart, and after a rest at once again', async () => {
  const pace = new CommitPace();
  makeBusy(pace);
  for (let turn = 0; turn < 5; turn += 1) {
    let begun = false;
    void window.enter(pace)?.then(() => (begun = true));
    clock.advance(commitWindowMs - 1);
    await settle();
    const early = begun;
    clock.advance(1);
    await settle();
    expect([early, begun]).toEqual([false, true]);
  }
  clock.advance(2 * commitWindowMs);
  expect(begins(pace)).toBe(true);
});

test('turns that take many messages are further apart, until one takes few', async () => {
  const pace = new CommitPace();
  makeBusy(pace);
  const nextAfter = async (): Promise<number> => {
    let begun = false;
    void window.enter(pace)?.then(() => (begun = true));
    for (let waitedMs = 0; ; waitedMs += 1) {
      await settle();
      if (begun) return waitedMs;
      clock.advance(1);
    }
  };
  expect(await nextAfter()).toBe(commitWindowMs);
  pace.takes(commitWindowWideCount);
  expect(await nextAfter()).toBe(commitWindowWideMs);
  pace.takes(commitWindowWideCount - 1);
  expect(await nextAfter()).toBe(commitWindowMs);
});

test('a burst of many messages makes no channel wait that had room before', () => {
  const pace = new CommitPace();
  for (let turn = 0; turn < 20; turn += 1) {
    expect(begins(pace)).toBe(true);
    pace.takes(10 * commitWindowWideCount);
    clock.advance(2 * commitWindowMs);
  }
});

test('a channel that waits for the wide window keeps no other one waiting for it', async () => {
  const [busiest, other] = [new CommitPace(), new CommitPace()];
  makeBusy(busiest, other);
  for (const pace of [busiest, other]) void window.enter(pace);
  clock.advance(commitWindowMs);
  busiest.takes(commitWindowWideCount);
  const begun: string[] = [];
  void window.enter(busiest)?.then(() => begun.push('busiest'));
  void window.enter(other)?.then(() => begun.push('other'));
  clock.advance(commitWindowMs);
  await settle();
  expect(begun).toEqual(['other']);
});

test('busy channels begin their turns together', async () => {
  const [a, b] = [new CommitPace(), new CommitPace()];
  makeBusy(a, b);
  const begun: string[] = [];
  void window.enter(b)?.then(() => begun.push('b'));
  clock.advance(1);
  void window.enter(a)?.then(() => begun.push('a'));
  clock.advance(commitWindowMs - 1);
  await settle();
  expect(begun.sort()).toEqual(['a', 'b']);
  expect(clock.pendingCount).toBe(0);
});

test('each turn counts once, with what it waited: nothing while there is room, up to a window under load', () => {
  const [a, b] = [new CommitPace(), new CommitPace()];
  makeBusy(a, b);
  expect(waits.take()).toEqual(Array.from({ length: 2 * commitWindowTurnsCount }, () => 0));
  void window.enter(a);
  clock.advance(1);
  void window.enter(b);
  expect(waits.take()).toEqual([]);
  clock.advance(commitWindowMs - 1);
  expect(waits.take()).toEqual([commitWindowMs, commitWindowMs - 1]);
});
