import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HotTails } from '../../../actors/hot-tail.ts';
import type { DurableEvent } from '../../../protocol/events.ts';
import { ALICE, BOB, GENERAL, mutation, TEAM } from '../../support/actor-lab.ts';

const event = (seq: number): DurableEvent => ({
  ts: seq,
  author: TEAM,
  mutation: mutation(seq),
  body: { kind: 'notice', frame: {} },
});
const seqs = (found: readonly { seq: number }[] | undefined) => found?.map(({ seq }) => seq);

test('it gives exactly what is asked for, or says that it cannot', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(70), fc.nat(70), (count, after, upTo) => {
      const tails = new HotTails({ eventsPerStreamMax: 20, bytesMax: 1e6 });
      for (let seq = 1; seq <= count; seq++) tails.push(GENERAL, seq, event(seq), 10);
      const found = tails.between(GENERAL, after, upTo, 1e6);
      const kept = after >= count - Math.min(count, 20) && upTo <= count;
      if (upTo <= after) expect(found).toEqual([]);
      else if (!kept) expect(found).toBeUndefined();
      else expect(seqs(found)).toEqual(Array.from({ length: upTo - after }, (_, i) => after + 1 + i));
    }),
  );
});

test('an answer stops near its bytes', () => {
  const tails = new HotTails({ eventsPerStreamMax: 20, bytesMax: 1e6 });
  for (let seq = 1; seq <= 10; seq++) tails.push(GENERAL, seq, event(seq), 100);
  expect(seqs(tails.between(GENERAL, 2, 10, 250))).toEqual([3, 4, 5]);
});

test('an event that does not follow replaces the tail: it never has a hole', () => {
  const tails = new HotTails({ eventsPerStreamMax: 20, bytesMax: 1e6 });
  tails.push(GENERAL, 1, event(1), 10);
  tails.push(GENERAL, 5, event(5), 10);
  expect(tails.find(GENERAL, 1)).toBeUndefined();
  expect(tails.find(GENERAL, 5)?.seq).toBe(5);
  expect(tails.bytes).toBe(10);
});

test('beyond its bytes the stream that was used longest ago goes', () => {
  const tails = new HotTails({ eventsPerStreamMax: 20, bytesMax: 250 });
  tails.push(GENERAL, 1, event(1), 100);
  tails.push(ALICE, 1, event(1), 100);
  tails.find(GENERAL, 1);
  tails.push(BOB, 1, event(1), 100);
  expect(tails.find(ALICE, 1)).toBeUndefined();
  expect(tails.find(GENERAL, 1)?.seq).toBe(1);
  expect(tails.bytes).toBeLessThanOrEqual(250);
});
