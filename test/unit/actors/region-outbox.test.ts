/** One copy for a region in place of one for each gateway: when it is, and in which order things arrive. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { FanOutWays, type FanOutWay } from '../../../actors/fan-out-ways.ts';
import { GatewayOutboxes, type GatewayOutbox } from '../../../actors/gateway-outbox.ts';
import { InterestSets, type InterestSet } from '../../../actors/interest.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { BATCH_BYTES_MAX, decodeBatch, type RegionSpan, type StreamedEntry } from '../../../protocol/batches.ts';
import type { Incarnation, StreamId } from '../../../protocol/ids.ts';
import { decodeRegionEntries, decodeRegionHead } from '../../../protocol/region-batches.ts';
import { GENERAL } from '../../support/actor-lab.ts';

const RANDOM = 'C0RANDOM' as StreamId;
const REGION = 'belfry.out.local';

interface Sent {
  readonly subject: string;
  readonly number: number;
  readonly seqs: readonly number[];
  readonly region?: RegionSpan;
  readonly bytes: number;
}

let clock: ManualClock;
let sent: Sent[];
let outboxes: GatewayOutboxes;

beforeEach(() => {
  clock = new ManualClock();
  sent = [];
  const publish = (subject: string, data: Uint8Array): void => void sent.push(read(subject, data));
  outboxes = new GatewayOutboxes({ worker: 'w-1' as Incarnation, messaging: { publish }, clock });
});

function read(subject: string, data: Uint8Array): Sent {
  const head = subject === REGION ? decodeRegionHead(data) : undefined;
  const batch = head === undefined ? decodeBatch(data) : { ...head, entries: decodeRegionEntries(head) };
  const seqs = batch.entries.map((entry) => (entry.kind === 'event' ? entry.seq : 0));
  const region = 'region' in batch && batch.region !== undefined ? { region: batch.region } : {};
  return { subject, number: batch.number, seqs, bytes: data.length, ...region };
}

const ref = (name: string, region = 'local') => ({ region, incarnation: name as Incarnation });
const gateways = (count: number, region = 'local'): GatewayOutbox[] =>
  Array.from({ length: count }, (_, at) => outboxes.of(ref(`g-${region}-${at}`, region)));
function event(seq: number, stream: StreamId = GENERAL, bytes = 10): StreamedEntry {
  return { kind: 'event', stream, seq, frame: new Uint8Array(bytes) };
}
const order = () =>
  sent.flatMap(({ subject, seqs }) => seqs.map((seq) => (subject === REGION ? `region ${seq}` : seq)));

describe('the way to gateways that listen', () => {
  const min = limits.regionBatchGatewaysCount;
  let sets: InterestSets;
  beforeEach(() => {
    sets = new InterestSets();
  });
  const setOf = (...some: GatewayOutbox[]): InterestSet =>
    some.reduce((set, outbox) => sets.with(set, outbox), sets.nobody);
  const alive = (ways: FanOutWays, ...some: GatewayOutbox[]): void =>
    ways.gatewaysAlive(new Map(some.map((outbox) => [outbox.ref.incarnation, outbox.ref.region])));

  test('is a copy each below the limit, and one for the region from there on', () => {
    const ways = new FanOutWays();
    const some = gateways(min);
    expect(ways.of(setOf(...some.slice(1)))).toEqual(some.slice(1));
    expect(ways.of(setOf(...some))).toEqual([some[0]?.region]);
  });

  test('is chosen for each region by itself', () => {
    const ways = new FanOutWays();
    const [many, few] = [gateways(min), gateways(2, 'far')];
    expect(new Set(ways.of(setOf(...many, ...few)))).toEqual(new Set<FanOutWay>([many[0]!.region, ...few]));
  });

  test('is a copy each where too much of a region does not listen', () => {
    const ways = new FanOutWays();
    const all = gateways(min + Math.floor((min * limits.regionStrangersPerHundredMax) / 100) + 1);
    const set = setOf(...all.slice(0, min));
    alive(ways, ...all);
    expect(ways.of(set)).toHaveLength(min);
    alive(ways, ...all.slice(0, -1));
    expect(ways.of(set)).toEqual([all[0]?.region]);
  });

  test('does not count gateways that are gone', () => {
    const ways = new FanOutWays();
    const all = gateways(min);
    const set = setOf(...all);
    expect(ways.of(set)).toHaveLength(1);
    outboxes.gatewayGone(all[0]!.ref.incarnation);
    alive(ways, ...all.slice(1));
    expect(ways.of(set)).toEqual(all.slice(1));
  });
});

describe('region batches', () => {
  test('leave once, with what one turn adds', () => {
    const [a] = gateways(3);
    for (const seq of [1, 2, 3]) a!.region.add(event(seq), 20);
    expect(sent).toEqual([]);
    clock.advance(0);
    expect(sent).toMatchObject([{ subject: REGION, number: 1, seqs: [1, 2, 3] }]);
  });

  test('are counted in every beat from where the gateway was first spoken to', () => {
    const early = outboxes.of(ref('g-early'));
    early.region.add(event(1), 20);
    clock.advance(0);
    const late = outboxes.of(ref('g-late'));
    late.add(event(1), 20);
    clock.advance(5);
    expect(sent.at(-1)).toEqual(expect.not.objectContaining({ region: expect.anything() }));
    early.region.add(event(2), 20);
    clock.advance(2 * limits.batchBeatMs);
    const beats = new Map(sent.filter(({ seqs }) => seqs.length === 0).map(({ subject, region }) => [subject, region]));
    expect(beats.get('belfry.out.local.g-early')).toEqual({ from: 0, to: 2 });
    expect(beats.get('belfry.out.local.g-late')).toEqual({ from: 1, to: 2 });
  });

  test('follow what was said before to a gateway of its own', () => {
    const [a] = gateways(1);
    a!.add(event(1), 20);
    a!.region.add(event(2), 20);
    clock.advance(0);
    expect(order()).toEqual([1, 'region 2']);
  });

  test('come before what is said of the same stream to a gateway of its own', () => {
    const [a] = gateways(1);
    a!.region.add(event(1), 20);
    a!.add(event(2), 20);
    clock.advance(0);
    expect(order()).toEqual(['region 1', 2]);
  });

  test('come before the answer that says where their stream stands', () => {
    const [a] = gateways(1);
    a!.region.add(event(1), 20);
    a!.after(RANDOM);
    expect(sent).toEqual([]);
    a!.after(GENERAL);
    expect(order()).toEqual(['region 1']);
  });

  test('keep each stream in order beside any mix of own batches, whatever the sizes', () => {
    const step = fc.record({ own: fc.boolean(), stream: fc.constantFrom(GENERAL, RANDOM), bytes: fc.nat(200_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30, size: 'max' }), (steps) => {
        sent = [];
        const [a] = gateways(1);
        for (const [at, { own, stream, bytes }] of steps.entries()) {
          const seq = (at + 1) * 2 + (stream === GENERAL ? 0 : 1);
          const way: FanOutWay = own ? a! : a!.region;
          way.add(event(seq, stream, bytes), bytes + 96);
        }
        clock.advance(10);
        const seqs = sent.flatMap((one) => one.seqs);
        for (const parity of [0, 1]) {
          const ofStream = seqs.filter((seq) => seq % 2 === parity);
          expect(ofStream).toEqual(ofStream.toSorted((x, y) => x - y));
        }
        expect(seqs).toHaveLength(steps.length);
        for (const { bytes } of sent) expect(bytes).toBeLessThanOrEqual(BATCH_BYTES_MAX);
        const numbers = sent.filter(({ subject }) => subject === REGION).map(({ number }) => number);
        expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at));
      }),
      { numRuns: 200 },
    );
  });
});
