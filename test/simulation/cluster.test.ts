/** Seeds of cluster histories: everything but the broker and the sockets, under every fault. */
import { describe, it } from 'vitest';
import { runClusterHistory } from './cluster-histories.ts';

const SEEDS = 600;
const GROUP = 100;

/** Histories in which something was found that is mended now. */
const FOUND = [
  [3155, 'a cursor that was checked while the actor of its stream came to life was never checked again'],
] as const;

describe('a cluster under faults', () => {
  it.each(FOUND)('keeps its promises in the history of seed %i: %s', async (seed) => {
    await runClusterHistory({ seed });
  });

  it.each(Array.from({ length: SEEDS / GROUP }, (_, group) => 1 + group * GROUP))(
    'keeps its promises in the histories of seeds %i and up',
    async (first) => {
      for (let seed = first; seed < first + GROUP; seed += 1) await runClusterHistory({ seed });
    },
    120_000,
  );
});
