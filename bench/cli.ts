/**
 * `belfry bench SCENARIO`: opens the scenario, runs it as often as asked, prints one table (or JSON), closes it.
 *
 * Q1  stdout carries the result and nothing else; progress is a line on stderr, on a terminal only.
 * Q2  A run that lost, doubled or disordered a message prints FAILED and makes the exit code 1. A missed goal does not.
 * Q3  Ctrl-C ends the run and closes what was opened.
 */
import type { Command } from 'commander';
import { z } from 'zod';
import { systemClock } from '../platform/clock.ts';
import {
  addOptions,
  createProgram,
  defineOptions,
  integerSchema,
  readOptions,
  switchSchema,
} from '../platform/config.ts';
import { SeededRng } from '../platform/rng.ts';
import { appendScenario } from './append.ts';
import { failoverScenario } from './failover.ts';
import { fanoutScenario } from './fanout.ts';
import { describeMachine } from './machine.ts';
import { postsScenario } from './posts.ts';
import { terminalProgress } from './progress.ts';
import { failuresOf, jsonReport, textReport } from './report.ts';
import { resumeScenario } from './resume.ts';
import type { RunContext, RunResult, Scenario } from './scenario.ts';

const scenarios: readonly Scenario[] = [
  appendScenario,
  failoverScenario,
  fanoutScenario,
  postsScenario,
  resumeScenario,
];

const commonOptions = defineOptions({
  seconds: {
    value: 's',
    schema: integerSchema(1, 3_600).default(5),
    description: 'how long each side is measured, in each run',
  },
  runs: {
    value: 'n',
    schema: integerSchema(1, 100).default(3),
    description: 'runs; the table shows median, lowest and highest',
  },
  seed: {
    value: 'n',
    schema: integerSchema(0, 2 ** 31).default(1),
    description: 'of everything that is random in the load',
  },
  json: { schema: switchSchema, description: 'print JSON with every run' },
  cpuProf: {
    value: 'folder',
    schema: z.string().min(1).optional(),
    description: "write CPU profiles of the servers' Node processes there; such figures are for finding, not quoting",
  },
});

/** Carries out `belfry bench …`, given what follows `bench`. @throws UsageError, CommanderError or BenchFailedError */
export async function benchCommand(args: readonly string[]): Promise<void> {
  await buildBenchProgram().parseAsync([...args], { from: 'user' });
}

/** The run's figures do not count (Q2). */
export class BenchFailedError extends Error {
  override readonly name = 'BenchFailedError';
}

export function buildBenchProgram(): Command {
  const program = createProgram('belfry bench', 'measure Belfry against a reference, both in one run').helpCommand(
    false,
  );
  for (const scenario of scenarios) addScenario(program, scenario);
  return program;
}

function addScenario(program: Command, scenario: Scenario): void {
  const command = program.command(scenario.name).description(scenario.summary);
  addOptions(addOptions(command, commonOptions), scenario.options);
  command.addHelpText('after', `\nExample:\n  belfry bench ${scenario.name} --seconds 10 --runs 5`);
  command.action(() => runScenario(command, scenario));
}

async function runScenario(command: Command, scenario: Scenario): Promise<void> {
  const options = readOptions(command, commonOptions);
  const open = scenario.bind(command);
  const interruption = onInterrupt();
  const { seconds, cpuProf: profileFolder } = options;
  const rng = new SeededRng(options.seed);
  const progress = terminalProgress();
  const context = { clock: systemClock, rng, progress, signal: interruption.signal, seconds, profileFolder };
  try {
    const runs = await runAll(context, open, options.runs);
    progress.clear();
    const report = { scenario: scenario.name, seconds, machine: describeMachine(), runs };
    process.stdout.write(options.json ? jsonReport(report) : textReport(report));
    const failures = failuresOf(report);
    if (failures.length > 0)
      throw new BenchFailedError(`FAILED: ${failures.length} checks; the first: ${failures[0] ?? ''}`);
  } finally {
    progress.clear();
    interruption.stop();
  }
}

async function runAll(context: RunContext, open: ReturnType<Scenario['bind']>, count: number): Promise<RunResult[]> {
  const session = await open(context);
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

/** The first signal interrupts; a second one, after a moment, is the system's business. */
function onInterrupt(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  process.on('SIGINT', abort);
  process.on('SIGTERM', abort);
  const stop = () => {
    process.removeListener('SIGINT', abort);
    process.removeListener('SIGTERM', abort);
  };
  return { signal: controller.signal, stop };
}
