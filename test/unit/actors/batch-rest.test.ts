import { beforeEach, describe, expect, test } from 'vitest';
import { BatchRest } from '../../../actors/batch-rest.ts';
import { RecordedWaits } from '../../support/recorded-waits.ts';

const limits = { batchShareMaxPercent: 50, batchBurstMs: 16, batchRestMsMax: 20, batchBacklogBytesMax: 10 };

let nowMs: number;
/** What the writes of a turn take. */
let turnMs: number;
let turnEnds: (() => void)[];
let timers: { readonly atMs: number; readonly run: () => void }[];
let handled: string[];
let rest: BatchRest;
let waits: RecordedWaits;

beforeEach(() => {
  [nowMs, turnMs, turnEnds, timers, handled] = [0, 8, [], [], []];
  waits = new RecordedWaits();
  rest = new BatchRest({
    waits,
    clock: {
      monotonicMs: () => nowMs,
      defer: (run) => void turnEnds.push(run),
      setTimeout: (run, delayMs) => {
        timers.push({ atMs: nowMs + delayMs, run });
        return { cancel: () => undefined };
      },
    },
    limits,
    handle: (_, bytes) => void handled.push(Buffer.from(bytes).toString()),
  });
});

function take(text: string): void {
  const bytes = Buffer.from(text);
  rest.take(0, bytes);
  // As a socket's buffer, which is used again.
  bytes.fill(0);
}

function endTurn(): void {
  nowMs += turnMs;
  for (const run of turnEnds.splice(0)) run();
}

function sleepUntil(atMs: number): void {
  nowMs = atMs;
  for (const timer of timers.splice(0)) {
    if (timer.atMs <= nowMs) timer.run();
    else timers.push(timer);
  }
}

describe('batches', () => {
  test('of one turn are handled in it', () => {
    for (const text of ['a', 'b', 'c']) take(text);
    expect(handled).toEqual(['a', 'b', 'c']);
  });

  test('do not wait while their turns take less than their share of the time', () => {
    for (let at = 0; at < 1_000; at += 2 * turnMs) {
      sleepUntil(at);
      take(`${at}`);
      endTurn();
    }
    expect(handled).toHaveLength(63);
    expect(timers).toEqual([]);
  });

  test('that come in a burst do not wait', () => {
    turnMs = 4;
    for (const text of ['a', 'b', 'c', 'd']) {
      take(text);
      endTurn();
    }
    expect(handled).toEqual(['a', 'b', 'c', 'd']);
  });

  test('gather once the share is used up, and are handled together, in order, when it is not any more', () => {
    turnMs = 12;
    take('a');
    endTurn();
    take('b');
    endTurn();
    // 24 of 24 ms, where 0.5 of them and a burst of 16 were allowed: paid for at 32.
    for (const text of ['c', 'd']) take(text);
    sleepUntil(31);
    take('e');
    expect(handled).toEqual(['a', 'b']);
    sleepUntil(32);
    expect(handled).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(turnEnds).toHaveLength(1);
  });

  test('wait no longer than the longest rest, however long a turn took', () => {
    turnMs = 500;
    take('a');
    endTurn();
    take('b');
    expect(handled).toEqual(['a']);
    sleepUntil(520);
    expect(handled).toEqual(['a', 'b']);
  });

  test('are handled at once when too many bytes wait', () => {
    turnMs = 500;
    take('a');
    endTurn();
    take('bbbbbbbb');
    expect(handled).toEqual(['a']);
    take('ccc');
    expect(handled).toEqual(['a', 'bbbbbbbb', 'ccc']);
  });

  test('count with what each waited', () => {
    turnMs = 12;
    for (const text of ['a', 'b']) {
      take(text);
      endTurn();
    }
    take('c');
    sleepUntil(31);
    take('d');
    expect(waits.take()).toEqual([0, 0]);
    sleepUntil(32);
    expect(waits.take()).toEqual([8, 1]);
  });
});
