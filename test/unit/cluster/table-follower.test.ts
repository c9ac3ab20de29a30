import { describe, expect, it } from 'vitest';
import type { KeyValue, KvChange, KvRead } from '../../../broker/broker.ts';
import { TableFollower } from '../../../cluster/table-follower.ts';
import { unownedRows } from '../../../cluster/slot-table.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { silentLogger } from '../../../platform/logger.ts';
import type { SlotRow } from '../../../protocol/cluster.ts';
import type { Incarnation } from '../../../protocol/ids.ts';
import { encodeTable, storeTable } from '../../../protocol/table-codec.ts';

const encoded = (rows: readonly SlotRow[]) => encodeTable(storeTable(rows));
const value = encoded(unownedRows(4));
const entry = (revision: number) => ({ key: 'table', value, revision });

/** A bucket whose watch says only what the test makes it say. */
function setUp() {
  const clock = new ManualClock();
  const state = { read: { kind: 'absent' } as KvRead, reads: 0, hint: ((): void => {}) as (change: KvChange) => void };
  const bucket = {
    get: async () => {
      state.reads += 1;
      return state.read;
    },
    watch: (_: string, handler: (change: KvChange) => void) => {
      state.hint = handler;
      return { ready: Promise.resolve(), stop: () => {} };
    },
  } as unknown as KeyValue;
  const follower = new TableFollower({ bucket, clock, logger: silentLogger });
  const views: number[] = [];
  follower.onTable(({ view }) => views.push(view));
  follower.start();
  return { clock, state, follower, views };
}

describe('a follower of the table', () => {
  it('only goes up, whatever late watches and stale reads say', async () => {
    const { state, follower, views } = setUp();
    state.hint({ kind: 'put', entry: entry(7) });
    state.hint({ kind: 'put', entry: entry(5) });
    state.read = { kind: 'found', entry: entry(6) };
    await follower.read();
    state.hint({ kind: 'put', entry: entry(9) });
    expect(views).toEqual([7, 9]);
  });

  it('knows of every table what changed since the last that was seen', () => {
    const { state, follower, views } = setUp();
    const tables = [
      ['w1-A', 'w1-A', undefined],
      ['w3-C', 'w2-B', undefined],
      ['w3-C', 'w2-B', 'w2-B'],
    ].map((owners) => owners.map((owner): SlotRow => ({ ...unownedRows(1)[0]!, owner: owner as Incarnation })));
    const changes: number[][] = [];
    follower.onTable((table, previous) => changes.push(table.changesSince(previous).map(({ slot }) => slot)));
    for (const at of tables.keys()) {
      state.hint({ kind: 'put', entry: { ...entry(at + 1), value: follower.encode(tables[at]!) } });
    }
    expect(changes).toEqual([[0, 1], [0, 1], [2]]);
    expect(follower.table.totals()).toEqual({ total: 3, owned: 3, handoff: 0, orphaned: 0 });
    expect([...follower.table.members()].sort()).toEqual(['w2-B', 'w3-C']);
    expect(follower.table.slotsOf('w2-B' as Incarnation)).toEqual([1, 2]);
    state.hint({ kind: 'put', entry: { ...entry(9), value: encoded(unownedRows(5)) } });
    expect(follower.table.rows).toHaveLength(5);
    expect(views).toEqual([1, 2, 3, 9]);
  });

  it('reads when a heartbeat names a higher view, and when nothing was heard for 500 ms', async () => {
    const { clock, state, follower, views } = setUp();
    await clock.advanceAndSettle(1);
    state.read = { kind: 'found', entry: entry(3) };
    follower.noteView(3);
    await clock.advanceAndSettle(1);
    expect(views).toEqual([3]);
    const reads = state.reads;
    for (let i = 0; i < 10; i++) {
      follower.noteView(3);
      await clock.advanceAndSettle(100);
    }
    expect(state.reads).toBe(reads);
    state.read = { kind: 'found', entry: entry(4) };
    await clock.advanceAndSettle(2 * limits.tableRefreshMs);
    expect(views).toEqual([3, 4]);
  });

  it("gives a read asked for during a read a later one's result, and reads no more than that", async () => {
    const { state, follower } = setUp();
    const before = state.reads;
    const [a, b, c] = [follower.read(), follower.read(), follower.read()];
    expect(await Promise.all([a, b, c])).toEqual(['read', 'read', 'read']);
    expect(state.reads - before).toBeLessThanOrEqual(2);
  });

  it('keeps its table when the stored one is damaged or cannot be read', async () => {
    const { state, follower, views } = setUp();
    state.hint({ kind: 'put', entry: entry(2) });
    state.hint({ kind: 'put', entry: { ...entry(3), value: new Uint8Array([1, 2, 3]) } });
    state.read = { kind: 'unavailable', cause: new Error('away') };
    await follower.read();
    expect(await follower.read()).toBe('unavailable');
    expect(views).toEqual([2]);
    expect(follower.table.view).toBe(2);
  });
});
