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

/** At least `wanted` of the first `seeds` histories break `rule`; once so many have, the rest is not looked at. */
async function expectViolations(
  rule: RegExp,
  mutations: Mutations,
  { wanted, seeds }: { readonly wanted: number; readonly seeds: number },
  run = runActorHistory,
): Promise<void> {
  let count = 0;
  for (let seed = 1; seed <= seeds && count < wanted; seed += 1) {
    const found = await violationOf(run, seed, mutations);
    if (found !== undefined) expect(found).toMatch(rule);
    if (found !== undefined) count += 1;
  }
  expect(count).toBe(wanted);
}

describe('the checkers find it when', () => {
  it('the log compares and sets no more', async () => {
    const rule = /seq is dense|stands in the log once|epochs do not decrease/;
    await expectViolations(rule, { casOff: true }, { wanted: 10, seeds: 40 });
  });

  it('a turn is applied again without being decided again', async () => {
    const rule = /each mutation stands in the log once/;
    await expectViolations(rule, { dedupeAfterConflictOff: true }, { wanted: 4, seeds: 40 });
  });

  it('batches have no numbers', async () => {
    const rule = /everything is delivered|it is available again/;
    await expectViolations(rule, { batchNumbersOff: true }, { wanted: 5, seeds: 150 });
  });

  it('region batches have no numbers', async () => {
    const rule = /everything is delivered|it is available again/;
    const run: typeof runActorHistory = (options) => runActorHistory({ regionBatchGatewaysCount: 1, ...options });
    await expectViolations(rule, { regionNumbersOff: true }, { wanted: 2, seeds: 100 }, run);
  });

  it('an eviction does not wait for the end of the connections', async () => {
    let found: string | undefined;
    for (let seed = 1; seed <= 200 && found === undefined; seed += 1) {
      found = await violationOf(runClusterHistory, seed, { evictionWaitOff: true });
    }
    expect(found).toMatch(/nothing of an owner that was cut off is stored|a read sees what was acknowledged/);
  });
});
