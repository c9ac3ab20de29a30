/**
 * Do the checkers see anything? Each protection is broken once, in seeds that are tried otherwise unbroken; somewhere
 * among the first of them the rule that it is for must be found broken. histories.test.ts has the epoch record's.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { runActorHistory } from './actor-histories.ts';
import { mendDedupe } from './broken-dedupe.ts';
import { runClusterHistory } from './cluster-histories.ts';
import type { Mutations } from './sim-faults.ts';
import { SimulationFailure } from './sim-history.ts';

afterEach(mendDedupe);

/** What the checkers said first, within the first `seeds` histories. */
async function firstViolation(
  run: typeof runActorHistory,
  mutations: Mutations,
  { from = 1, seeds }: { readonly from?: number; readonly seeds: number },
): Promise<string> {
  for (let seed = from; seed < from + seeds; seed += 1) {
    try {
      await run({ seed, mutations });
    } catch (error) {
      if (error instanceof SimulationFailure) return error.message;
      throw error;
    }
  }
  return 'none';
}

describe('the checkers find it when', () => {
  it('the log compares and sets no more', async () => {
    const found = await firstViolation(runActorHistory, { casOff: true }, { seeds: 60 });
    expect(found).toMatch(/seq is dense|stands in the log once|epochs do not decrease/);
  });

  it('a turn is applied again without being decided again', async () => {
    const found = await firstViolation(runActorHistory, { dedupeAfterConflictOff: true }, { seeds: 60 });
    expect(found).toMatch(/each mutation stands in the log once/);
  });

  it('batches have no numbers', async () => {
    const found = await firstViolation(runActorHistory, { batchNumbersOff: true }, { from: 150, seeds: 250 });
    expect(found).toMatch(/everything is delivered|it is available again/);
  });

  it('an eviction does not wait for the end of the connections', async () => {
    const found = await firstViolation(runClusterHistory, { evictionWaitOff: true }, { seeds: 200 });
    expect(found).toMatch(/nothing of an owner that was cut off is stored|a read sees what was acknowledged/);
  });
});
