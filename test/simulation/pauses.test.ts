/** Seeds of pause histories: how long one fault keeps a channel from accepting posts (G7). */
import { describe, expect, it } from 'vitest';
import { FAULTS, runPauseHistory } from './pause-histories.ts';

const SEEDS = 60;
const GROUP = 20;
const met = new Set<string>();

describe('a single fault', () => {
  it.each(Array.from({ length: SEEDS / GROUP }, (_, group) => 1 + group * GROUP))(
    'pauses no channel for longer than is promised in the histories of seeds %i and up',
    async (first) => {
      for (let seed = first; seed < first + GROUP; seed += 1) {
        const { history } = await runPauseHistory({ seed });
        for (const { name } of FAULTS) if (history.counts.has(name)) met.add(name);
      }
    },
    120_000,
  );

  it('is each of them in some of these histories', () => {
    expect([...met].toSorted()).toEqual(FAULTS.map(({ name }) => name).toSorted());
  });
});
