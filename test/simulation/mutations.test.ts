/**
 * Do the checkers see anything? Each protection is broken once, in seeds that are tried otherwise unbroken; somewhere
 * among the first of them the rule that it is for must be found broken; where chance brings the faults often enough, in a
 * share of them, so that it shows when the scene grows thin. histories.test.ts has the epoch record's.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { SlotTable } from '../../cluster/slot-table.ts';
import type { SlotRow } from '../../protocol/cluster.ts';
import { runActorHistory } from './actor-histories.ts';
import { mendDedupe } from './broken-dedupe.ts';
import { runClusterHistory } from './cluster-histories.ts';
import { withLimits } from './other-limits.ts';
import { runOverloadHistory } from './overload-histories.ts';
import { runPauseHistory } from './pause-histories.ts';
import { ALICE, CHANNEL, LOG_SUBJECT, openScene, SLOT } from './scene.ts';
import { SimClock } from './sim-clock.ts';
import type { Mutations } from './sim-faults.ts';
import { SimHistory, SimulationFailure } from './sim-history.ts';
import { TableWatch } from './table-watch.ts';

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

  it('a member is told that its channel is not there', async () => {
    const { world, cluster, poster, old, next } = await openScene();
    // The gateway notices too, and says so.
    world.mayGiveUp = true;
    cluster.kill(old, 10_000);
    await world.run(5);
    world.hub.streams.purge('BELFRY_LOG_0', LOG_SUBJECT, Number.MAX_SAFE_INTEGER);
    cluster.give(SLOT, next, false);
    void poster.post(CHANNEL, ALICE, 'after');
    await expect(world.run(1_000)).rejects.toThrow(/nothing that is allowed is rejected/);
  });

  it('a gateway leaves out what is to be had', async () => {
    const run: typeof runActorHistory = (options) => withLimits({ gapHoldMs: 1 }, () => runActorHistory(options));
    await expectViolations(/a resync has a reason/, {}, { wanted: 3, seeds: 60 }, run);
  });

  it('a silent owner is missed late', async () => {
    const late = { frozenDeadMs: 9_000, silenceDeadMs: 9_000 };
    const run: typeof runPauseHistory = (options) => withLimits(late, () => runPauseHistory(options));
    await expectViolations(/after \S+ a channel pauses for less than/, {}, { wanted: 2, seeds: 60 }, run);
  });

  it('buffers take more than they may', async () => {
    const rule = /every buffer keeps its limit/;
    await expectViolations(rule, { limitsOff: true }, { wanted: 2, seeds: 2 }, runOverloadHistory);
  });

  it.each([
    ['an older table', 2, 3, /views only rise/],
    ['an older epoch of a slot', 4, 2, /a slot's epoch only rises/],
  ] as const)('a node goes back to %s', (_, view, epoch, rule) => {
    const history = new SimHistory(new SimClock(), 'told');
    const tables = new TableWatch(history);
    let table = new SlotTable(3, { rows: [rowOf(3)] });
    tables.watch('worker1', () => table);
    table = new SlotTable(view, { rows: [rowOf(epoch)] });
    tables.look();
    expect(() => history.check()).toThrow(rule);
  });
});

const rowOf = (epoch: number): SlotRow => ({ owner: undefined, epoch, state: 'stable', from: undefined, fence: false });
