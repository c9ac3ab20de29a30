import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayOutboxes } from '../../../actors/gateway-outbox.ts';
import { InterestSets, isNobody } from '../../../actors/interest.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { BATCH_BYTES_MAX, decodeBatch, type Batch, type BatchEntry } from '../../../protocol/batches.ts';
import type { Incarnation } from '../../../protocol/ids.ts';
import { GENERAL } from '../../support/actor-lab.ts';
import { RecordedWaits } from '../../support/recorded-waits.ts';

const ref = (name: string) => ({ region: 'local', incarnation: name as Incarnation });
const entry = (seq: number, bytes = 10): BatchEntry => ({
  kind: 'event',
  stream: GENERAL,
  seq,
  frame: new Uint8Array(bytes),
});

let clock: ManualClock;
let sent: { subject: string; batch: Batch; bytes: number }[];
let outboxes: GatewayOutboxes;
let waits: RecordedWaits;

beforeEach(() => {
  clock = new ManualClock();
  sent = [];
  const messaging = {
    publish: (subject: string, data: Uint8Array) =>
      void sent.push({ subject, batch: decodeBatch(data), bytes: data.length }),
  };
  waits = new RecordedWaits();
  outboxes = new GatewayOutboxes({ worker: 'w-1' as Incarnation, messaging, clock, waits });
});

const full = () => sent.filter(({ batch }) => batch.entries.length > 0);

test('what one turn adds leaves as one batch per gateway, in order', () => {
  const a = outboxes.of(ref('g-a'));
  const b = outboxes.of(ref('g-b'));
  for (const seq of [1, 2, 3]) for (const outbox of [a, b]) outbox.add(entry(seq), 20);
  expect(sent).toEqual([]);
  clock.advance(0);
  expect(sent.map(({ subject }) => subject)).toEqual(['belfry.out.local.g-a', 'belfry.out.local.g-b']);
  for (const { batch } of sent) {
    expect(batch.number).toBe(1);
    expect(batch.entries.map((one) => (one.kind === 'event' ? one.seq : 0))).toEqual([1, 2, 3]);
  }
});

test('under load batches wait for each other, at most the window', () => {
  const outbox = outboxes.of(ref('g'));
  outbox.add(entry(1), 20);
  clock.advance(0);
  outbox.add(entry(2), 20);
  clock.advance(1);
  outbox.add(entry(3), 20);
  expect(full()).toHaveLength(1);
  clock.advance(limits.batchWindowMs - 1);
  expect(full()).toHaveLength(2);
  expect(full()[1]?.batch.entries).toHaveLength(2);
});

test('what leaves at the end of its turn counts as not having waited, what the window gathers with its oldest wait', () => {
  const outbox = outboxes.of(ref('g'));
  outbox.add(entry(1), 20);
  clock.advance(0);
  outbox.add(entry(2), 20);
  clock.advance(1);
  outbox.add(entry(3), 20);
  clock.advance(limits.batchWindowMs - 1);
  expect(waits.take()).toEqual([0, limits.batchWindowMs]);
});

test('over any sizes batches are numbered densely, keep the order and stay within their bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 20, size: 'max' }), (sizes) => {
      sent = [];
      const outbox = outboxes.of(ref(`g-${clock.monotonicMs()}`));
      for (const [i, size] of sizes.entries()) outbox.add(entry(i + 1, size), size + 96);
      clock.advance(10);
      const batches = full().filter(({ subject }) => subject.endsWith(outbox.ref.incarnation));
      expect(batches.map(({ batch }) => batch.number)).toEqual(batches.map((_, i) => i + 1));
      const seqs = batches.flatMap(({ batch }) => batch.entries.map((one) => (one.kind === 'event' ? one.seq : 0)));
      expect(seqs).toEqual(sizes.map((_, i) => i + 1));
      for (const { bytes } of batches) expect(bytes).toBeLessThanOrEqual(BATCH_BYTES_MAX);
    }),
    { numRuns: 30 },
  );
});

test('a quiet worker repeats its last number; a busy one does not', () => {
  const outbox = outboxes.of(ref('g'));
  outbox.add(entry(1), 20);
  clock.advance(0);
  clock.advance(limits.batchBeatMs);
  expect(sent).toHaveLength(1);
  clock.advance(limits.batchBeatMs);
  expect(sent.at(-1)?.batch).toMatchObject({ number: 1, entries: [] });
});

test('a gateway that is gone gets nothing, also when its last words arrive late', () => {
  outboxes.of(ref('g')).add(entry(1), 20);
  outboxes.gatewayGone('g' as Incarnation);
  const late = outboxes.of(ref('g'));
  late.add(entry(2), 20);
  clock.advance(1_000);
  expect(late.gone).toBe(true);
  expect(sent).toEqual([]);
});

describe('interest sets', () => {
  test('equal sets are one object, by whatever way they came about', () => {
    const sets = new InterestSets();
    const [a, b] = [outboxes.of(ref('g-a')), outboxes.of(ref('g-b'))];
    const ab = sets.with(sets.with(sets.nobody, a), b);
    expect(sets.with(sets.with(sets.nobody, b), a)).toBe(ab);
    expect(sets.with(ab, a)).toBe(ab);
    expect(sets.without(sets.without(ab, a), b)).toBe(sets.nobody);
  });

  test('a gateway that is gone leaves the sets', () => {
    const sets = new InterestSets();
    const [a, b] = [outboxes.of(ref('g-a')), outboxes.of(ref('g-b'))];
    const onlyA = sets.with(sets.nobody, a);
    outboxes.gatewayGone('g-a' as Incarnation);
    sets.gatewayGone(a);
    expect(isNobody(onlyA)).toBe(true);
    expect(sets.with(onlyA, b).outboxes).toEqual([b]);
  });
});
