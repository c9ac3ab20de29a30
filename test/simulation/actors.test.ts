/** Seeds of actor histories: what the workers' and gateways' rules promise, under every fault but the cluster's own. */
import { describe, it } from 'vitest';
import { runActorHistory } from './actor-histories.ts';

const SEEDS = 1_400;
const GROUP = 200;

describe('actors, log and gateways under faults', () => {
  it.each(Array.from({ length: SEEDS / GROUP }, (_, group) => 1 + group * GROUP))(
    'keep their promises in the histories of seeds %i and up',
    async (first) => {
      for (let seed = first; seed < first + GROUP; seed += 1) await runActorHistory({ seed });
    },
    120_000,
  );
});
