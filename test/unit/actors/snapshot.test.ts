import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apply, emptyState, type ConversationState, type StreamState } from '../../../actors/channel-state.ts';
import { SnapshotStore, type SnapshotHandle } from '../../../actors/snapshot.ts';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import type { AppendAttempt, RecordStore } from '../../../broker/broker.ts';
import type { LogPosition } from '../../../broker/log-position.ts';
import { systemClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { silentLogger } from '../../../platform/logger.ts';
import type { DurableEvent, EventBody } from '../../../protocol/events.ts';
import type { ChannelId, StreamId } from '../../../protocol/ids.ts';
import { ALICE, BOB, channelMeta, GENERAL, mutation, userId } from '../../support/actor-lab.ts';

const SLOT = 7;

async function makeStore(allow: () => boolean = () => true): Promise<{ store: SnapshotStore; hub: MemoryBrokerHub }> {
  const hub = new MemoryBrokerHub({ clock: systemClock });
  await hub.provision({ partitions: 1, replicas: 1 });
  const { records } = hub.connect('worker');
  const append = (...args: Parameters<RecordStore['append']>): Promise<AppendAttempt> =>
    allow() ? records.append(...args) : Promise.resolve({ kind: 'unknown', reason: 'crashed' });
  const wrapped = { append, last: records.last.bind(records), at: records.at.bind(records) };
  return { store: new SnapshotStore({ records: wrapped, logger: silentLogger }), hub };
}

const event = (ts: number, body: EventBody): DurableEvent => ({ ts, author: ALICE, mutation: mutation(ts), body });
const joined = (n: number): EventBody => ({ kind: 'joined', user: userId(n) });
const left = (n: number): EventBody => ({ kind: 'left', user: userId(n) });

function conversation(): ConversationState {
  const state = emptyState(GENERAL) as ConversationState;
  apply(state, event(1, { kind: 'opened', meta: channelMeta(), members: [ALICE, BOB] }));
  return state;
}

function summary(state: StreamState) {
  const common = { seq: state.seq, lastTs: state.lastTs, posts: state.posts.rows(), changes: state.changes.rows() };
  if (state.kind === 'user') return { ...common, away: state.manualAway, in: [...state.memberships.entries()] };
  if (state.kind === 'team') return common;
  return { ...common, meta: state.meta, archived: state.archived, members: state.members.page(undefined, 1e6) };
}

async function loaded(store: SnapshotStore, stream: StreamId) {
  const load = await store.load(SLOT, stream);
  if (load.kind !== 'loaded') throw new Error(`not loaded: ${JSON.stringify(load)}`);
  return load;
}

test.each([3, 255, 5_000, 100_000])('%i members come back as they were', async (count) => {
  const { store } = await makeStore();
  const state = conversation();
  for (let n = 0; n < count; n++) apply(state, event(n + 2, joined(n)));
  const notes = [{ user: BOB, seq: 3, member: true, actor: ALICE }];
  const handle = { headSequence: 0, nextPart: 1, incrementSequence: 0 };
  expect(await store.save(SLOT, GENERAL, 1, state, notes, handle)).toBe(true);
  const load = await loaded(store, GENERAL);
  expect(summary(load.state)).toEqual(summary(state));
  expect(load.notes).toEqual(notes);
  expect(load.handle).toEqual(handle);
});

test('a user stream comes back as it was, memberships and flag', async () => {
  const { store } = await makeStore();
  const state = emptyState(ALICE);
  for (let n = 0; n < 700; n++) {
    const meta = channelMeta(`C${String(n).padStart(6, '0')}` as ChannelId);
    apply(state, event(n + 1, { kind: 'membership', meta, channelSeq: n, member: n % 3 > 0 }));
  }
  apply(state, event(1_000, { kind: 'manual-presence', presence: 'away' }));
  await store.save(SLOT, ALICE, 1, state, [], { headSequence: 0, nextPart: 1, incrementSequence: 0 });
  expect(summary((await loaded(store, ALICE)).state)).toEqual(summary(state));
});

test('no stored block is larger than it may be, and only changed ones are written again', async () => {
  const { store, hub } = await makeStore();
  const state = conversation();
  for (let n = 0; n < 20_000; n++) apply(state, event(n + 2, joined(n)));
  const handle = { headSequence: 0, nextPart: 1, incrementSequence: 0 };
  await store.save(SLOT, GENERAL, 1, state, [], handle);
  const read = (part: number) => {
    const found = hub.streams.last('BELFRY_SNAP', `belfry.snap.${SLOT}.${GENERAL}.m${part}`);
    return found.kind === 'found' ? found.record : undefined;
  };
  const parts = Array.from({ length: handle.nextPart - 1 }, (_, i) => i + 1);
  for (const part of parts) expect(read(part)?.data.length).toBeLessThanOrEqual(limits.snapshotShardBytesMax);
  const before = parts.map((part) => read(part)?.sequence);
  apply(state, event(30_000, left(19_999)));
  await store.save(SLOT, GENERAL, 1, state, [], handle);
  const changed = parts.filter((part, i) => read(part)?.sequence !== before[i]);
  expect(changed).toHaveLength(1);
});

test('a writer that dies between any two writes leaves what, folded with the log, is the truth', async () => {
  // The last block is nearly full, so that it splits between the two snapshots; the worker dies after `crashAfter` writes.
  const user = fc.oneof(fc.integer({ min: 0, max: 5_600 }), fc.integer({ min: 5_690, max: 5_800 }));
  const step = fc.tuple(fc.boolean(), user);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 100, maxLength: 200 }), fc.nat(6), async (steps, crashAfter) => {
      let writes = Number.POSITIVE_INFINITY;
      const { store } = await makeStore(() => writes-- > 0);
      const state = conversation();
      const log: DurableEvent[] = [];
      const grow = (body: EventBody): void => {
        const next = event(state.lastTs + 1, body);
        log.push(next);
        apply(state, next);
      };
      for (let n = 0; n < 5_690; n++) grow(joined(n));
      const base = state.seq;
      const handle = { headSequence: 0, nextPart: 1, incrementSequence: 0 };
      expect(await store.save(SLOT, GENERAL, 1, state, [], handle)).toBe(true);
      for (const [joins, n] of steps) grow(joins ? joined(n) : left(n));
      writes = crashAfter;
      await store.save(SLOT, GENERAL, 1, state, [], handle);
      writes = Number.POSITIVE_INFINITY;
      const load = await loaded(store, GENERAL);
      expect(load.state.seq === base || load.state.seq === state.seq).toBe(true);
      for (const one of log.slice(load.state.seq - 1)) apply(load.state, one);
      expect(summary(load.state)).toEqual(summary(state));
      // And the next owner can write its own.
      expect(await saveUntilWritten(store, load.state, load.handle)).toBe(true);
      expect(summary((await loaded(store, GENERAL)).state)).toEqual(summary(state));
    }),
    { numRuns: 15 },
  );
});

/** A conflict makes one attempt fail: the next one knows where the other write stands. */
async function saveUntilWritten(store: SnapshotStore, state: StreamState, handle: SnapshotHandle) {
  for (let i = 0; i < 10; i++) if (await store.save(SLOT, GENERAL, 2, state, [], handle)) return true;
  return false;
}

const said = (n: number): EventBody => ({ kind: 'message', author: { user: ALICE }, draft: { text: `m${n}` } });
const position = (state: StreamState): LogPosition => {
  const { seq, lastTs } = state;
  const skipStack = [{ sequence: seq + 100, firstSeq: seq, firstTs: lastTs }];
  return { sequence: seq + 100, index: seq, nextSeq: seq + 1, lastTs, skipStack };
};

test('head and increment together are the state, also where the oldest ids are forgotten', async () => {
  const { store } = await makeStore();
  const state = conversation();
  const speak = (count: number): void => {
    for (let n = 0; n < count; n++) apply(state, event(state.lastTs + 1, said(n)));
  };
  const handle = { headSequence: 0, nextPart: 1, incrementSequence: 0 };
  speak(limits.dedupeEntriesPerChannelMax);
  await store.save(SLOT, GENERAL, 1, state, [], handle, position(state));
  expect((await loaded(store, GENERAL)).position).toEqual(position(state));
  const headSeq = state.seq;
  for (const count of [1, 40]) {
    speak(count);
    await store.saveIncrement(SLOT, state, headSeq, { epoch: 1, position: position(state) }, handle);
    const load = await loaded(store, GENERAL);
    expect(summary(load.state)).toEqual(summary(state));
    expect(load).toMatchObject({ headSeq, handle, position: position(state) });
  }
});

test('an increment of another head is not used', async () => {
  const { store } = await makeStore();
  const state = conversation();
  const handle = { headSequence: 0, nextPart: 1, incrementSequence: 0 };
  apply(state, event(2, said(1)));
  await store.saveIncrement(SLOT, state, 1, { epoch: 1, position: position(state) }, handle);
  apply(state, event(3, joined(3)));
  await store.save(SLOT, GENERAL, 1, state, [], handle);
  const load = await loaded(store, GENERAL);
  expect(summary(load.state)).toEqual(summary(state));
  expect(load.position).toBeUndefined();
});

test('a damaged snapshot is said to exist, and not used', async () => {
  const { store, hub } = await makeStore();
  hub.streams.append(`belfry.snap.${SLOT}.${GENERAL}.head`, Buffer.from('garbage'), 0);
  expect(await store.load(SLOT, GENERAL)).toMatchObject({ kind: 'absent', exists: true });
});
