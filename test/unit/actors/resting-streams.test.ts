import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayOutboxes, type GatewayOutbox } from '../../../actors/gateway-outbox.ts';
import { InterestSets, type InterestSet } from '../../../actors/interest.ts';
import { RestingStreams } from '../../../actors/resting-streams.ts';
import { SlotStreams } from '../../../actors/slot-streams.ts';
import { hasKey, keyWord, streamOf } from '../../../actors/stream-key.ts';
import { systemClock } from '../../../platform/clock.ts';
import type { Incarnation, StreamId } from '../../../protocol/ids.ts';

const LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('');
const ids = (maxLength: number) =>
  fc
    .tuple(
      fc.constantFrom('C', 'G', 'D', 'U', 'W', 'T'),
      fc.array(fc.constantFrom(...LETTERS), { minLength: 4, maxLength }),
    )
    .map(([prefix, rest]) => (prefix + rest.join('')) as StreamId);
const numbered = (n: number) => `C${String(n).padStart(10, '0')}` as StreamId;

let sets: InterestSets;
let gateways: GatewayOutbox[];
let choices: InterestSet[];

beforeEach(() => {
  sets = new InterestSets();
  const outboxes = new GatewayOutboxes({
    worker: 'w-1' as Incarnation,
    messaging: { publish: () => undefined },
    clock: systemClock,
  });
  outboxes.close();
  gateways = ['a', 'b'].map((name) => outboxes.of({ region: 'here', incarnation: name as Incarnation }));
  const onlyA = sets.with(sets.nobody, gateways[0] as GatewayOutbox);
  choices = [onlyA, sets.with(onlyA, gateways[1] as GatewayOutbox)];
});

describe('keys', () => {
  test('every id that Belfry makes is told by its key', () => {
    fc.assert(
      fc.property(ids(17), (id) => {
        expect(hasKey(id)).toBe(true);
        expect(streamOf(keyWord(id, 0), keyWord(id, 1), keyWord(id, 2))).toBe(id);
        expect(keyWord(id, 0)).toBeGreaterThan(0);
      }),
    );
  });

  test('a longer id has none', () => {
    expect(hasKey('C234567890123456789' as StreamId)).toBe(false);
  });
});

describe('streams at rest', () => {
  const change = fc.record({
    take: fc.boolean(),
    stream: fc.nat(60).map(numbered),
    // Also beyond 32 bits, and where nothing is known.
    seq: fc.oneof(fc.nat(), fc.constant(-1), fc.integer({ min: 2 ** 32 - 2, max: 2 ** 32 + 2 })),
    choice: fc.nat(1),
  });

  test('they are what a plain map would hold, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 300, size: 'max' }), (changes) => {
        const table = new RestingStreams(sets);
        const model = new Map<StreamId, { stream: StreamId; seq: number; interest: InterestSet }>();
        for (const { take, stream, seq, choice } of changes) {
          if (take || model.has(stream)) {
            expect(table.take(stream)).toEqual(model.get(stream));
            model.delete(stream);
          } else {
            const record = { stream, seq, interest: choices[choice] as InterestSet };
            expect(table.put(record)).toBe(true);
            model.set(stream, record);
          }
          expect(table.size).toBe(model.size);
        }
        for (let n = 0; n <= 60; n++) expect(table.get(numbered(n))).toEqual(model.get(numbered(n)));
        expect(new Map([...table].map((record) => [record.stream, record]))).toEqual(model);
        table.clear();
        expect(table.get(numbered(0))).toBeUndefined();
      }),
    );
  });

  test('thousands take no more than 64 bytes each', () => {
    const table = new RestingStreams(sets);
    for (let n = 0; n < 4_000; n++) table.put({ stream: numbered(n), seq: n, interest: choices[0] as InterestSet });
    expect(table.bytes / table.size).toBeLessThanOrEqual(64);
    for (let n = 0; n < 4_000; n++) expect(table.get(numbered(n))?.seq).toBe(n);
  });

  test('a table that would grow drops those that only gateways that are gone listened to', () => {
    const table = new RestingStreams(sets);
    const [onlyA, both] = choices as [InterestSet, InterestSet];
    for (let n = 0; n < 24; n++) table.put({ stream: numbered(n), seq: n, interest: n % 4 === 0 ? both : onlyA });
    const { bytes } = table;
    gateways[0]?.end();
    table.put({ stream: numbered(24), seq: 24, interest: both });
    expect([...table].map(({ seq }) => seq).sort((a, b) => a - b)).toEqual([0, 4, 8, 12, 16, 20, 24]);
    expect(table.bytes).toBe(bytes);
  });

  test('the number of a set that nobody uses any more stands for the next one', () => {
    const [onlyA, both] = choices as [InterestSet, InterestSet];
    const first = sets.use(onlyA);
    expect(sets.use(onlyA)).toBe(first);
    sets.release(first);
    expect(sets.of(first)).toBe(onlyA);
    sets.release(first);
    expect(sets.use(both)).toBe(first);
    expect(sets.of(first)).toBe(both);
  });
});

describe('the streams of a slot', () => {
  const C1 = numbered(1);

  test('one that somebody holds is not at rest, and rests with what was changed when the last lets go', () => {
    const streams = new SlotStreams(sets);
    const [first, second] = [streams.hold(C1), streams.hold(C1)];
    expect(second).toBe(first);
    Object.assign(first, { seq: 7, interest: choices[0] });
    streams.letGo(first);
    expect(streams.resting(C1)).toBeUndefined();
    streams.letGo(second);
    expect(streams.isAwake(C1)).toBe(false);
    expect(streams.resting(C1)).toEqual({ stream: C1, seq: 7, interest: choices[0] });
    expect(streams.hold(C1)).toMatchObject({ seq: 7, interest: choices[0], holds: 1 });
    expect(streams.size).toBe(1);
  });

  test('one that nobody listens to is forgotten', () => {
    const streams = new SlotStreams(sets);
    streams.letGo(streams.hold(C1));
    expect(streams.size).toBe(0);
    expect(streams.holdKnown(C1)).toBeUndefined();
  });

  test('one with an id too long for the table stays awake', () => {
    const streams = new SlotStreams(sets);
    const long = `C${'0'.repeat(30)}` as StreamId;
    const entry = streams.hold(long);
    Object.assign(entry, { seq: 3, interest: choices[0] });
    streams.letGo(entry);
    expect(streams.seqOf(long)).toBe(3);
    expect(streams.holdKnown(long)).toBe(entry);
  });

  test("past the slot's end, letting go leaves nothing behind", () => {
    const streams = new SlotStreams(sets);
    const entry = streams.hold(C1);
    Object.assign(entry, { seq: 3, interest: choices[0] });
    streams.end();
    streams.letGo(entry);
    expect(streams.size).toBe(0);
  });
});
