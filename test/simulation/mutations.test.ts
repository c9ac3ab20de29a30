/**
 * Do the checkers see anything? Each protection is broken once, in seeds that are tried otherwise unbroken; somewhere
 * among the first of them the rule that it is for must be found broken; where chance brings the faults often enough, in a
 * share of them, so that it shows when the scene grows thin. histories.test.ts has the epoch record's.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { runActorHistory } from './actor-histories.ts';
import { mendDedupe } from './broken-dedupe.ts';
import { runClusterHistory } from './cluster-histories.ts';
import type { Mutations } from './sim-faults.ts';
import { SimulationFailure } from './sim-history.ts';

afterEach(mendDedupe);

/** What the checkers said of this history; undefined: nothing. */
async function violationOf(
  run: typeof runActorHistory,
  seed: number,
  mutations: Mutations,
): Promise<string | undefined> {
  try {
    await run({ seed, mutations });
    return undefined;
  } catch (error) {
    if (error instanceof SimulationFailure) return error.message;
    throw error;
  }
}

/** How many of the first `seeds` histories broke `rule`. */
async function countViolations(
  rule: RegExp,
  mutations: Mutations,
  seeds: number,
  run = runActorHistory,
): Promise<number> {
  let count = 0;
  for (let seed = 1; seed <= seeds; seed += 1) {
    const found = await violationOf(run, seed, mutations);
    if (found !== undefined) expect(found).toMatch(rule);
    if (found !== undefined) count += 1;
  }
  return count;
}

describe('the checkers find it when', () => {
  it('the log compares and sets no more', async () => {
    const rule = /seq is dense|stands in the log once|epochs do not decrease/;
    expect(await countViolations(rule, { casOff: true }, 40)).toBeGreaterThanOrEqual(10);
  });

  it('a turn is applied again without being decided again', async () => {
    const rule = /each mutation stands in the log once/;
    expect(await countViolations(rule, { dedupeAfterConflictOff: true }, 40)).toBeGreaterThanOrEqual(4);
  });

  it('batches have no numbers', async () => {
    const rule = /everything is delivered|it is available again/;
    expect(await countViolations(rule, { batchNumbersOff: true }, 150)).toBeGreaterThanOrEqual(5);
  });

  it('region batches have no numbers', async () => {
    const rule = /everything is delivered|it is available again/;
    const run: typeof runActorHistory = (options) => runActorHistory({ regionBatchGatewaysCount: 1, ...options });
    expect(await countViolations(rule, { regionNumbersOff: true }, 100, run)).toBeGreaterThanOrEqual(2);
  });

  it('an eviction does not wait for the end of the connections', async () => {
    let found: string | undefined;
    for (let seed = 1; seed <= 200 && found === undefined; seed += 1) {
      found = await violationOf(runClusterHistory, seed, { evictionWaitOff: true });
    }
    expect(found).toMatch(/nothing of an owner that was cut off is stored|a read sees what was acknowledged/);
  });
});
