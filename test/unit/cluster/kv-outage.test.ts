/**
 * The bucket of the cluster is not to be had for longer than the ring manager's lease: nobody can be manager, nothing can
 * move, and whoever serves goes on. Whatever died meanwhile is replaced when the bucket is back.
 */
import { describe, expect, it } from 'vitest';
import type { MemoryFate, MemoryHop } from '../../../broker/memory-pipe.ts';
import { limits } from '../../../platform/limits.ts';
import { ClusterLab } from '../../support/cluster-lab.ts';
import { HISTORIAN, TableHistory } from '../../support/table-history.ts';

const slots = 24;
/** Requests that were lost are given up after their time-out; then the lease is taken, and the dead one cut off. */
const mendedMs = limits.kvTimeoutMs + limits.ringManagerLeaseMs;

interface Scene {
  readonly lab: ClusterLab;
  readonly history: TableHistory;
  setOutage(isOut: boolean): void;
}

async function startScene(names: readonly string[]): Promise<Scene> {
  let isOut = false;
  const fate = ({ kind, incarnation }: MemoryHop): MemoryFate =>
    isOut && kind === 'key-value' && incarnation !== HISTORIAN ? 'drop' : 'pass';
  const lab = new ClusterLab({ slots, fate, latencyMs: () => 1 });
  const history = new TableHistory(lab);
  for (const name of names) lab.startWorker(name);
  await lab.settled();
  await lab.run(500);
  return { lab, history, setOutage: (out) => (isOut = out) };
}

const managers = (lab: ClusterLab) => lab.workers.filter(({ node }) => node.isRingManager());

describe.each([1_000, 1_700, 3_000])('while the bucket is away for %i ms', (outageMs) => {
  it('every slot keeps its one owner, and one manager comes back', async () => {
    const { lab, history, setOutage } = await startScene(['a', 'b', 'c']);
    const tables = history.tables;
    setOutage(true);
    await history.run(outageMs, () => expect(history.unserved()).toEqual([]));
    setOutage(false);
    await history.until('one manager', mendedMs, () => managers(lab).length === 1);
    await history.run(1_000, () => expect(history.unserved()).toEqual([]));
    expect(history.tables, 'nothing moved').toBe(tables);
    lab.startWorker('d');
    await history.until('a joiner to get its share', 3_000, () => lab.shares()[3] === slots / 4 && lab.isSettled());
    await lab.stop();
  });

  it.each(['the manager', 'another one'])(
    'and %s is killed: the others keep theirs, and all is served when it is back',
    async (who) => {
      const { lab, history, setOutage } = await startScene(['a', 'b', 'c']);
      const [manager] = managers(lab);
      const victim = who === 'the manager' ? manager : lab.workers.find((worker) => worker !== manager);
      if (victim === undefined) throw new Error('there is no manager');
      const orphans = new Set(victim.node.owned());
      setOutage(true);
      await history.run(200);
      lab.kill(victim);
      const onlyOrphans = () => expect(history.unserved().every((slot) => orphans.has(slot))).toBe(true);
      await history.run(outageMs - 200, onlyOrphans);
      expect(history.unserved(), 'nobody may take what the table does not give').toHaveLength(orphans.size);
      setOutage(false);
      await history.until('all slots to be served', mendedMs + 500, () => {
        onlyOrphans();
        return lab.isSettled();
      });
      expect(managers(lab)).toHaveLength(1);
      await lab.stop();
    },
  );
});
