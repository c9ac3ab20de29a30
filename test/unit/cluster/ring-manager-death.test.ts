/**
 * The ring manager dies in the middle of a change, at each of its steps: the next one finishes what stands in the table,
 * no slot stays without an owner or gets two, and the views that anybody sees only go up.
 */
import { describe, expect, it } from 'vitest';
import { ClusterLab, type LabWorker } from '../../support/cluster-lab.ts';

const slots = 64;
/** More steps than any of the changes has. */
const stepsMax = 60;

interface Scene {
  readonly lab: ClusterLab;
  readonly manager: LabWorker;
  readonly other: LabWorker;
}

const changes: Readonly<Record<string, (scene: Scene) => void>> = {
  'a worker joins': ({ lab }) => void lab.startWorker('joiner'),
  'a worker is drained': ({ other }) => void other.node.drain().then(() => other.node.stop()),
  'a worker dies': ({ lab, other }) => lab.kill(other),
};

async function startScene(): Promise<Scene> {
  const lab = new ClusterLab({ slots });
  for (const name of ['a', 'b', 'c']) lab.startWorker(name);
  await lab.settled();
  // Whoever was elected last is known only after its first renewals.
  await lab.run(500);
  const manager = lab.workers.find(({ node }) => node.isRingManager());
  const other = lab.workers.find((worker) => worker !== manager);
  if (manager === undefined || other === undefined) throw new Error('no ring manager');
  return { lab, manager, other };
}

const newestView = (lab: ClusterLab) => Math.max(...lab.workers.map(({ node }) => node.table().view));

/** Kills the manager once it has written `step` tables since the change began; false: the change has fewer steps. */
async function dieAt(step: number, begin: (scene: Scene) => void): Promise<boolean> {
  const scene = await startScene();
  const { lab, manager } = scene;
  const views = new Map<LabWorker, number>();
  const look = () => {
    for (const worker of lab.workers) {
      const { view } = worker.node.table();
      expect(view).toBeGreaterThanOrEqual(views.get(worker) ?? 0);
      views.set(worker, view);
    }
  };
  const before = newestView(lab);
  begin(scene);
  for (let quietMs = 0; newestView(lab) < before + step; quietMs += 1) {
    if (quietMs > 2_000) return false;
    await lab.run(1);
    look();
  }
  lab.kill(manager);
  for (let ms = 0; ms < 5_000 && !(lab.isSettled() && isEven(lab)); ms += 20) {
    await lab.run(20);
    look();
  }
  expect(lab.isSettled(), `killed at step ${step}`).toBe(true);
  expect(isEven(lab), `killed at step ${step}: ${lab.shares().join(', ')}`).toBe(true);
  await lab.stop();
  return true;
}

/** Among those that take slots: one that is being emptied has none. */
function isEven(lab: ClusterLab): boolean {
  const shares = lab.shares().filter((share) => share > 0);
  return Math.max(...shares) - Math.min(...shares) <= 1;
}

describe('the ring manager dies while', () => {
  it.each(Object.entries(changes))('%s, after each of the tables that it writes for that', async (_name, begin) => {
    let steps = 0;
    while (steps < stepsMax && (await dieAt(steps, begin))) steps += 1;
    expect(steps).toBeGreaterThan(1);
    expect(steps).toBeLessThan(stepsMax);
  });
});
