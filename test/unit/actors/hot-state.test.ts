/** What travels in a hand-off, in bytes: an actor's state, and a slot's streams in chunks. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apply, emptyState, type StreamState } from '../../../actors/channel-state.ts';
import { packHot, unpackHot, type HotStream } from '../../../actors/hot-slot.ts';
import { decodeHotActor, encodeHotActor } from '../../../actors/hot-state.ts';
import { HotStates } from '../../../actors/hot-states.ts';
import { blocksOf } from '../../../actors/snapshot-format.ts';
import { HotBudget } from '../../../cluster/hot-budget.ts';
import { limits } from '../../../platform/limits.ts';
import { DecodeError } from '../../../protocol/errors.ts';
import type { DurableEvent, EventBody } from '../../../protocol/events.ts';
import type { Incarnation, StreamId } from '../../../protocol/ids.ts';
import { ALICE, channelMeta, GENERAL, mutation, userId } from '../../support/actor-lab.ts';

function stateAfter(bodies: readonly EventBody[]): { state: StreamState; events: DurableEvent[] } {
  const state = emptyState(GENERAL);
  const events = bodies.map((body, i) => ({ ts: i + 1, author: ALICE, mutation: mutation(i), body }) as DurableEvent);
  for (const event of events) apply(state, event);
  return { state, events };
}

function hotOf({ state, events }: ReturnType<typeof stateAfter>, tailCount: number) {
  const from = Math.max(0, events.length - tailCount);
  const tail = events.slice(from).map((event, i) => ({ seq: from + i + 1, event }));
  const skipStack = [{ sequence: 7, firstSeq: state.seq, firstTs: state.seq }];
  const position = { sequence: 7, index: 1, nextSeq: state.seq + 1, lastTs: state.lastTs, skipStack };
  const snapshot = { headSequence: 5, nextPart: 3, incrementSequence: 0 };
  return { position, state, notes: [{ user: ALICE, seq: 1, member: true }], snapshot, snapshotSeq: 2, tail };
}

const opened: EventBody = { kind: 'opened', meta: channelMeta(), members: [ALICE] };
const bodies = fc.array(
  fc.oneof(
    fc.nat(400).map((n): EventBody => ({ kind: 'joined', user: userId(n) })),
    fc.nat(400).map((n): EventBody => ({ kind: 'left', user: userId(n) })),
    fc.string().map((text) => ({ kind: 'message', text }) as unknown as EventBody),
  ),
  { maxLength: 60 },
);

describe("an actor's hot state", () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(bodies, fc.nat(10), (more, tailCount) => {
        const hot = hotOf(stateAfter([opened, ...more]), tailCount);
        const { tailBytes, ...back } = decodeHotActor(GENERAL, encodeHotActor(hot, 3, false));
        expect(back).toEqual(hot);
        expect(tailBytes).toBeGreaterThan(0);
      }),
      { numRuns: 50 },
    );
  });

  test('keeps where the blocks of a large channel are stored, and says when that is not known', () => {
    const joins = Array.from({ length: 4_000 }, (_, n): EventBody => ({ kind: 'joined', user: userId(n) }));
    const built = stateAfter([opened, ...joins]);
    for (const [i, block] of (blocksOf(built.state)?.blocks ?? []).entries()) {
      Object.assign(block, { part: i + 1, storedSequence: 100 + i, dirty: i === 0 });
    }
    const [settled, unsettled] = [false, true].map((flag) => {
      const { state } = decodeHotActor(GENERAL, encodeHotActor(hotOf(built, 3), 3, flag));
      return blocksOf(state)?.blocks.map(({ part, storedSequence, dirty }) => [part, storedSequence, dirty]);
    });
    expect(settled).toEqual(settled?.map((_, i) => [i + 1, 100 + i, i === 0]));
    expect(settled?.length).toBeGreaterThan(1);
    expect(unsettled?.every(([, , dirty]) => dirty)).toBe(true);
  });

  test('that is cut, changed or does not fit together is refused with a DecodeError', () => {
    const bytes = encodeHotActor(hotOf(stateAfter([opened]), 1), 3, false);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), (at) => {
        expect(() => decodeHotActor(GENERAL, bytes.slice(0, at))).toThrow(DecodeError);
      }),
    );
    const wrong = hotOf(stateAfter([opened]), 1);
    const shifted = { ...wrong, position: { ...wrong.position, nextSeq: 9 } };
    expect(() => decodeHotActor(GENERAL, encodeHotActor(shifted, 3, false))).toThrow(DecodeError);
  });
});

const streamArbitrary = fc.record({
  stream: fc.nat(1e6).map((n) => `C${String(n).padStart(8, '0')}` as StreamId),
  seq: fc.integer({ min: -1, max: 1e6 }),
  gateways: fc
    .uniqueArray(fc.constantFrom('a', 'b', 'c'))
    .map((names) => names.map((name) => ({ region: `r-${name}`, incarnation: `gateway-${name}` as Incarnation }))),
  actor: fc.option(fc.uint8Array({ minLength: 1, maxLength: 60_000 }), { nil: undefined }),
});

describe("a slot's chunks", () => {
  test('hold every stream once, in bounded pieces, as far as the budget goes', () => {
    fc.assert(
      fc.property(fc.array(streamArbitrary, { maxLength: 30 }), fc.nat(2_000_000), (streams, bytesMax) => {
        const chunks = packHot(streams, new HotBudget(bytesMax));
        const back = chunks.flatMap((chunk) => unpackHot(chunk));
        expect(back.map(plain)).toEqual(streams.slice(0, back.length).map(plain));
        for (const chunk of chunks) expect(chunk.length).toBeLessThan(limits.hotChunkBytesMax + 1_000);
        const sent = back.reduce((sum, { actor }) => sum + (actor?.length ?? 0), 0);
        expect(sent).toBeLessThanOrEqual(bytesMax);
      }),
      { numRuns: 50 },
    );
  });

  test('say who listens to a stream whose actor is too large to send', () => {
    const gateways = [{ region: 'eu', incarnation: 'gateway-a' as Incarnation }];
    const large = { stream: GENERAL, seq: 9, gateways, actor: new Uint8Array(limits.hotChunkBytesMax) };
    const [chunk] = packHot([large], new HotBudget(limits.hotReleaseBytesMax));
    expect(unpackHot(chunk!)).toEqual([{ ...large, actor: undefined }]);
  });

  test('ask for no stream beyond the budget: encoding it would be in vain', () => {
    let asked = 0;
    function* endless(): Generator<HotStream> {
      for (;;) yield { stream: GENERAL, seq: ++asked, gateways: [], actor: new Uint8Array(1_000) };
    }
    packHot(endless(), new HotBudget(10_000));
    expect(asked).toBe(10);
  });
});

test('states that wait are given once, and the oldest slot gives way', () => {
  const states = new HotStates(100);
  states.hold(1, GENERAL, new Uint8Array(60));
  expect(states.take(1, GENERAL)?.length).toBe(60);
  expect(states.take(1, GENERAL)).toBeUndefined();
  for (const slot of [2, 3]) states.hold(slot, GENERAL, new Uint8Array(60));
  expect(states.take(2, GENERAL)).toBeUndefined();
  expect(states.bytes).toBe(60);
  states.drop(3);
  expect(states.bytes).toBe(0);
});

/** Byte strings come back as Buffers. */
function plain({ actor, ...rest }: HotStream) {
  return { ...rest, actor: actor === undefined ? undefined : Buffer.from(actor).toString('base64') };
}
