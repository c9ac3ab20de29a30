/**
 * One command's worth of measuring: opens the scenario, runs it as often as asked, closes it, gives the result.
 *
 * S1  Ctrl-C ends the run and closes what was opened.
 */
import { setMaxListeners } from 'node:events';
import { systemClock } from '../platform/clock.ts';
import { UsageError } from '../platform/config.ts';
import { SeededRng } from '../platform/rng.ts';
import type { CommonOptions } from './bench-options.ts';
import { describeMachine } from './machine.ts';
import { Machines } from './machines.ts';
import { openProgress, type Progress } from './progress.ts';
import { resultOf, type Result } from './report/result.ts';
import type { BoundScenario, RunContext, RunResult, Scenario } from './scenario.ts';
import { targetNotes, type Target } from './servers.ts';

/** @throws UsageError, or Error when it could not be measured at all. */
export async function runScenario(scenario: Scenario, bound: BoundScenario, options: CommonOptions): Promise<Result> {
  const target = targetOf(scenario, options);
  const interruption = onInterrupt();
  const progress = openProgress(options.progress, systemClock);
  const { seconds, runs: count, seed, sourceAddresses } = options;
  let machines: Machines | undefined;
  try {
    machines = await gatherMachines(options, interruption.signal, progress);
    const context = { ...contextOf(options, progress), signal: interruption.signal, target, machines };
    const runs = await runAll(context, bound, count);
    return resultOf({
      scenario: scenario.name,
      at: new Date(systemClock.wallMs()).toISOString(),
      options: { seconds, runs: count, seed, sourceAddresses, ...bound.options },
      machine: describeMachine(),
      notes: [...targetNotes(target), ...(machines?.notes() ?? [])],
      runs,
    });
  } finally {
    await machines?.close();
    progress.clear();
    interruption.stop();
  }
}

async function gatherMachines(options: CommonOptions, signal: AbortSignal, progress: Progress) {
  const { coordinate, machines, target } = options;
  if (coordinate === undefined) return undefined;
  if (target === undefined) throw new UsageError('--coordinate needs --target: servers of our own are on loopback');
  return Machines.gather(coordinate, machines, signal, progress);
}

function contextOf({ seconds, seed, cpuProf, sourceAddresses }: CommonOptions, progress: Progress) {
  const rng = new SeededRng(seed);
  return { clock: systemClock, rng, progress, seconds, sourceAddresses, profileFolder: cpuProf };
}

function targetOf(scenario: Scenario, { target: url, token }: CommonOptions): Target | undefined {
  if (url === undefined && token === undefined) return undefined;
  if (url === undefined) throw new UsageError('--token needs --target');
  if (scenario.ownServers)
    throw new UsageError(`${scenario.name} only measures servers of its own: leave out --target`);
  return { url, token };
}

async function runAll(context: RunContext, bound: BoundScenario, count: number): Promise<RunResult[]> {
  const session = await bound.open(context);
  try {
    const runs: RunResult[] = [];
    for (let run = 1; run <= count; run += 1) {
      context.progress.show(`run ${run} of ${count}`);
      runs.push(await session.run());
    }
    return runs;
  } finally {
    context.progress.show('stopping');
    await session.close();
  }
}

/** The first signal interrupts; a second one, after a moment, is the system's business (S1). */
function onInterrupt(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  // Every load process listens.
  setMaxListeners(0, controller.signal);
  const abort = () => controller.abort();
  process.on('SIGINT', abort);
  process.on('SIGTERM', abort);
  const stop = () => {
    process.removeListener('SIGINT', abort);
    process.removeListener('SIGTERM', abort);
  };
  return { signal: controller.signal, stop };
}
