/**
 * Two ring managers that are both sure of their office: the first does not hear that another took it, and believes in its
 * lease until its next renewal. Both write tables; one of each two writes is lost, and nothing else.
 */
import { describe, expect, it } from 'vitest';
import { BUCKET_CLUSTER } from '../../../broker/subjects.ts';
import type { MemoryFate, MemoryHop } from '../../../broker/memory-pipe.ts';
import { MANAGER_KEY } from '../../../cluster/leadership.ts';
import { ClusterLab, type LabWorker } from '../../support/cluster-lab.ts';
import { TableHistory } from '../../support/table-history.ts';

const slots = 24;

interface Scene {
  readonly lab: ClusterLab;
  readonly history: TableHistory;
  readonly incumbent: LabWorker;
  readonly rival: LabWorker;
}

/** The incumbent hears nothing of the manager's key, not even the fate of its own renewals, until `hear`. */
async function startScene(): Promise<Scene & { hear(): void }> {
  const deaf = new Set<string>();
  const fate = ({ incarnation, subject, direction }: MemoryHop): MemoryFate =>
    deaf.has(incarnation) && subject === MANAGER_KEY && direction === 'to-client' ? 'drop' : 'pass';
  const lab = new ClusterLab({ slots, fate, latencyMs: () => 1 });
  const history = new TableHistory(lab);
  for (const name of ['a', 'b', 'c', 'd']) lab.startWorker(name);
  await lab.settled();
  await lab.run(500);
  const incumbent = lab.workers.find(({ node }) => node.isRingManager())!;
  const rival = lab.workers.find((worker) => worker !== incumbent)!;
  deaf.add(incumbent.incarnation);
  const thief = lab.hub.connect('thief-1').kv(BUCKET_CLUSTER);
  void thief.put(MANAGER_KEY, Buffer.from(JSON.stringify({ incarnation: rival.incarnation })));
  return { lab, history, incumbent, rival, hear: () => deaf.clear() };
}

const isBoth = ({ incumbent, rival }: Scene) => incumbent.node.isRingManager() && rival.node.isRingManager();
const writesLost = ({ incumbent, rival }: Scene) =>
  [incumbent, rival].flatMap(({ logs }) => logs.filter(({ event }) => event === 'table_write_lost')).length;

const changes: Readonly<Record<string, (scene: Scene) => void>> = {
  'a worker joins': ({ lab }) => void lab.startWorker('joiner'),
  'a worker dies': ({ lab, incumbent, rival }) =>
    lab.kill(lab.workers.find((worker) => worker !== incumbent && worker !== rival)!),
  'a worker is drained': ({ lab, incumbent, rival }) => {
    const leaver = lab.workers.find((worker) => worker !== incumbent && worker !== rival)!;
    void leaver.node.drain().then(() => leaver.node.stop());
  },
};

describe('two ring managers at once', () => {
  it.each(Object.entries(changes))('while %s: one write is lost, and the table stays right', async (_name, begin) => {
    const scene = await startScene();
    const { lab, history } = scene;
    await history.until('two managers', 500, () => isBoth(scene));
    const tables = history.tables;
    begin(scene);
    await history.until('a lost write', 500, () => writesLost(scene) > 0);
    expect(isBoth(scene), 'the write was lost to the other manager').toBe(true);
    scene.hear();
    await history.until('all slots to be served', 3_000, () => lab.isSettled() && isEven(lab));
    expect(history.tables).toBeGreaterThan(tables);
    await history.until('one manager', 3_000, () => managerCount(lab) === 1);
    await lab.stop();
  });
});

const managerCount = (lab: ClusterLab) => lab.workers.filter(({ node }) => node.isRingManager()).length;

/** Among those that take slots: one that is being emptied has none. */
function isEven(lab: ClusterLab): boolean {
  const shares = lab.shares().filter((share) => share > 0);
  return Math.max(...shares) - Math.min(...shares) <= 1;
}
