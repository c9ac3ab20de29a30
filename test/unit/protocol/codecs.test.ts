import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BATCH_BYTES_ACCEPTED_MAX,
  decodeBatch,
  encodeBatch,
  type Batch,
  type BatchEntry,
  type StreamedEntry,
} from '../../../protocol/batches.ts';
import {
  decodeHeartbeat,
  decodeNodeEntry,
  encodeHeartbeat,
  encodeNodeEntry,
  type Heartbeat,
  type NodeEntry,
  type SlotRow,
} from '../../../protocol/cluster.ts';
import { encode } from '../../../protocol/codec.ts';
import { DecodeError } from '../../../protocol/errors.ts';
import type { DurableEvent } from '../../../protocol/events.ts';
import type { ChannelId, Incarnation, MutationId, NodeId, SessionId, UserId } from '../../../protocol/ids.ts';
import { decodeRecord, encodeRecord, RECORD_BYTES_ACCEPTED_MAX, type LogRecord } from '../../../protocol/records.ts';
import {
  decodeRegionEntries,
  decodeRegionHead,
  encodeRegionBatch,
  type RegionBatch,
} from '../../../protocol/region-batches.ts';
import { decodeTable, encodeTable, storeTable } from '../../../protocol/table-codec.ts';

const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const user = fc.stringMatching(/^U[A-Z0-9]{8,12}$/).map((id) => id as UserId);
const channel = fc.stringMatching(/^C[A-Z0-9]{8,12}$/).map((id) => id as ChannelId);
const incarnation = fc.stringMatching(/^[a-z]{1,8}-[A-Z0-9]{10}$/).map((id) => id as Incarnation);

const event: fc.Arbitrary<DurableEvent> = fc.record({
  ts: count,
  author: user,
  mutation: fc.string({ minLength: 1, maxLength: 128 }).map((id) => id as MutationId),
  body: fc.oneof(
    fc.record({
      kind: fc.constant('message' as const),
      author: fc.record({ user }),
      draft: fc.record({ text: fc.string() }),
    }),
    fc.record({ kind: fc.constant('joined' as const), user }),
  ),
});
const record: fc.Arbitrary<LogRecord> = fc.record({
  epoch: count,
  recordId: fc.string({ maxLength: 24 }),
  index: count,
  firstSeq: count,
  skips: fc.array(fc.record({ sequence: count, firstSeq: count, firstTs: count }), { maxLength: 20 }),
  events: fc.array(event, { maxLength: 5 }),
});
const frame = fc.uint8Array({ maxLength: 300 });
const entry: fc.Arbitrary<BatchEntry> = fc.oneof(
  fc.record({ kind: fc.constant('event' as const), stream: channel, seq: count, frame }),
  fc.record({
    kind: fc.constant('event' as const),
    stream: channel,
    seq: count,
    frame,
    effect: fc.record({
      kind: fc.constantFrom('join' as const, 'leave' as const),
      users: fc.array(user),
      stream: channel,
    }),
    origin: fc.constant('gw-1.7' as SessionId),
  }),
  fc.record({ kind: fc.constant('transient' as const), stream: channel, frame }),
  fc.record({
    kind: fc.constant('presence' as const),
    user,
    presence: fc.constantFrom('active' as const, 'away' as const),
  }),
  fc.record({ kind: fc.constant('resync' as const), stream: channel, from: count, tail: count }),
  fc.record({
    kind: fc.constant('reply' as const),
    reply: fc.record({ requestId: count, ok: fc.constant(true as const), result: fc.record({ seq: count }) }),
  }),
);
const batch: fc.Arbitrary<Batch> = fc.record({
  worker: incarnation,
  number: count,
  entries: fc.array(entry, { maxLength: 8 }),
});
const span = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 1e9 })).map(([from, more]) => ({ from, to: from + more }));
const anyBatch: fc.Arbitrary<Batch> = fc.oneof(
  batch,
  fc.tuple(batch, span).map(([value, region]) => ({ ...value, region })),
);
const regionBatch: fc.Arbitrary<RegionBatch> = fc.record({
  worker: incarnation,
  number: fc.integer({ min: 1, max: 1e9 }),
  streams: fc.array(channel, { maxLength: 8 }),
  entries: fc.array(
    entry.filter((one) => one.kind !== 'reply' && one.kind !== 'presence'),
    { maxLength: 8 },
  ) as fc.Arbitrary<StreamedEntry[]>,
});
/** Head and entries, as a gateway that wants them has them. */
function decodeRegionBatch(bytes: Uint8Array): RegionBatch {
  const { worker, number, streams, body } = decodeRegionHead(bytes);
  return { worker, number, streams, entries: decodeRegionEntries({ worker, number, streams, body }) };
}

/** Whatever the bytes are, a decoder gives a value or a DecodeError. */
function onlyDecodeErrors(decode: (bytes: Uint8Array) => unknown, valid: fc.Arbitrary<Uint8Array>): void {
  const attempt = (bytes: Uint8Array) => {
    try {
      decode(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(DecodeError);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), attempt));
  fc.assert(
    fc.property(
      fc.anything().map((value) => safeEncode([1, value, value])),
      attempt,
    ),
  );
  fc.assert(
    fc.property(valid, fc.nat(), fc.integer({ min: 0, max: 255 }), (bytes, at, byte) => {
      const damaged = Uint8Array.from(bytes);
      damaged[at % damaged.length] = byte;
      attempt(damaged);
      attempt(damaged.subarray(0, at % damaged.length));
    }),
  );
}
function safeEncode(value: unknown): Uint8Array {
  try {
    return encode(value);
  } catch {
    return new Uint8Array([0xc1]);
  }
}
/** As values, whatever kind of byte array carries them. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, part: unknown) =>
      part instanceof Uint8Array
        ? [...part]
        : part && typeof part === 'object' && 'data' in part
          ? (part as { data: unknown }).data
          : part,
    ),
  );

describe('records', () => {
  test('survive their encoding', () => {
    fc.assert(
      fc.property(record, (value) => {
        expect(plain(decodeRecord(encodeRecord(value)))).toEqual(plain(value));
      }),
    );
  });
  test('damage gives a DecodeError and nothing else', () => onlyDecodeErrors(decodeRecord, record.map(encodeRecord)));
  test('another format and oversize are refused', () => {
    expect(() => decodeRecord(encode([2, 0, 'x', 1, 1, [], []]))).toThrow(DecodeError);
    expect(() => decodeRecord(new Uint8Array(RECORD_BYTES_ACCEPTED_MAX + 1))).toThrow(/at most/);
  });
});

describe('batches', () => {
  test('survive their encoding', () => {
    fc.assert(
      fc.property(anyBatch, (value) => {
        expect(plain(decodeBatch(encodeBatch(value)))).toEqual(plain(value));
      }),
    );
  });
  test('damage gives a DecodeError and nothing else', () => onlyDecodeErrors(decodeBatch, anyBatch.map(encodeBatch)));
  test('oversize is refused', () => {
    expect(() => decodeBatch(new Uint8Array(BATCH_BYTES_ACCEPTED_MAX + 1))).toThrow(/at most/);
  });
});

describe('region batches', () => {
  test('survive their encoding', () => {
    fc.assert(
      fc.property(regionBatch, (value) => {
        expect(plain(decodeRegionBatch(encodeRegionBatch(value)))).toEqual(plain(value));
      }),
    );
  });
  test('damage gives a DecodeError and nothing else', () =>
    onlyDecodeErrors(decodeRegionBatch, regionBatch.map(encodeRegionBatch)));
  test('hold nothing that is meant for one gateway', () => {
    const reply: BatchEntry = { kind: 'reply', reply: { requestId: 1, ok: true, result: {} } };
    const bytes = encodeRegionBatch({
      ...{ worker: 'w-1' as Incarnation, number: 1, streams: [] },
      entries: [reply as unknown as StreamedEntry],
    });
    expect(() => decodeRegionBatch(bytes)).toThrow(DecodeError);
  });
});

describe('cluster messages', () => {
  const unowned: SlotRow = { owner: undefined, epoch: 1, state: 'stable', from: undefined, fence: false };
  const beat: fc.Arbitrary<Heartbeat> = fc.record({
    incarnation,
    role: fc.constantFrom('webapp' as const, 'worker' as const, 'gateway' as const),
    view: count,
    load: count,
    wallMs: count,
    monotonicMs: count,
    state: fc.constantFrom('joining' as const, 'serving' as const, 'paused' as const, 'draining' as const),
  });
  const row: fc.Arbitrary<SlotRow> = fc.record({
    owner: fc.option(fc.constantFrom('w1-A', 'w2-B') as fc.Arbitrary<Incarnation>, { nil: undefined }),
    epoch: fc.integer({ min: 0, max: 2 ** 30 - 1 }),
    state: fc.constantFrom('stable' as const, 'handoff' as const),
    from: fc.option(fc.constantFrom('w1-A', 'w3-C') as fc.Arbitrary<Incarnation>, { nil: undefined }),
    fence: fc.boolean(),
  });

  test('heartbeats and tables survive their encoding', () => {
    fc.assert(
      fc.property(beat, (value) => {
        expect(decodeHeartbeat(encodeHeartbeat(value))).toEqual(value);
      }),
    );
    fc.assert(
      fc.property(fc.array(row, { maxLength: 50 }), (rows) => {
        expect(decodeTable(encodeTable(storeTable(rows))).rows).toEqual(rows);
      }),
    );
  });
  test('a table read after another has its rows where they are the same, and says which are not', () => {
    const change = fc.tuple(fc.nat(299), row);
    fc.assert(
      fc.property(fc.array(row, { minLength: 300, maxLength: 300 }), fc.array(change), (rows, changes) => {
        const first = storeTable(rows);
        const later = [...rows];
        for (const [slot, next] of changes) later[slot] = next;
        const bytes = encodeTable(storeTable(later, first));
        const read = decodeTable(bytes, decodeTable(encodeTable(first)));
        expect(read.rows).toEqual(later);
        expect(decodeTable(bytes).rows).toEqual(later);
        const kept = decodeTable(encodeTable(first));
        const same = decodeTable(bytes, kept);
        const isChanged = new Set(same.changed ?? later.keys());
        for (const [slot, one] of same.rows.entries()) expect(one === kept.rows[slot]).toBe(!isChanged.has(slot));
      }),
      { numRuns: 50 },
    );
  });
  test('a table of other names or another length than the one before is read whole', () => {
    const of = (...owners: string[]) => owners.map((owner): SlotRow => ({ ...unowned, owner: owner as Incarnation }));
    const before = storeTable(of('w1-A', 'w2-B'));
    for (const rows of [of('w2-B', 'w1-A'), of('w1-A', 'w2-B', 'w1-A'), of('w3-C', 'w2-B')]) {
      const read = decodeTable(encodeTable(storeTable(rows)), before);
      expect(read).toMatchObject({ rows, changed: undefined });
    }
  });
  test('names that nobody bears any more do not stay for ever', () => {
    let table = storeTable([unowned]);
    for (let life = 0; life < 1_000; life++) {
      table = storeTable([{ ...unowned, owner: `w1-${life}` as Incarnation }], table);
      expect(table.names.length).toBeLessThan(300);
    }
    expect(decodeTable(encodeTable(table)).rows).toEqual([{ ...unowned, owner: 'w1-999' }]);
  });
  test('a full table stays small', () => {
    const rows = Array.from(
      { length: 4096 },
      (_, slot): SlotRow => ({
        owner: `worker-${slot % 50}-ABCDEFGHIJ` as Incarnation,
        epoch: 9000,
        state: 'stable',
        from: undefined,
        fence: false,
      }),
    );
    expect(encodeTable(storeTable(rows)).length).toBeLessThan(40_000);
  });
  test('damage gives a DecodeError and nothing else', () => {
    onlyDecodeErrors(decodeHeartbeat, beat.map(encodeHeartbeat));
    onlyDecodeErrors(
      decodeTable,
      fc.array(row, { maxLength: 5 }).map((rows) => encodeTable(storeTable(rows))),
    );
  });
  test('a node entry is JSON and is checked', () => {
    const node: NodeEntry = {
      id: 'w1' as NodeId,
      incarnation: 'w1-A' as Incarnation,
      role: 'worker',
      zone: 'a',
      weight: 2,
      region: 'local',
      publicUrl: '',
      adminUrl: 'http://10.0.0.5:9901',
      pid: 1,
      version: '0.1.0',
      startedAt: 5,
    };
    expect(decodeNodeEntry(encodeNodeEntry(node))).toEqual(node);
    for (const bad of ['', 'null', '[]', '{}', '{"id":"a b"}'])
      expect(() => decodeNodeEntry(Buffer.from(bad))).toThrow(DecodeError);
  });
});
