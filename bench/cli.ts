/**
 * `belfry bench SCENARIO`: opens the scenario, runs it as often as asked, prints one table (and writes JSON), closes it.
 * `belfry bench --compare A B`: sets two such JSON files side by side.
 *
 * Q1  stdout carries the result and nothing else: the table, or with `--json -` the JSON. Progress is on stderr, on a
 *     terminal only.
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
  UsageError,
} from '../platform/config.ts';
import { SeededRng } from '../platform/rng.ts';
import { appendScenario } from './append.ts';
import { failoverScenario } from './failover.ts';
import { fanoutScenario } from './fanout.ts';
import { describeMachine } from './machine.ts';
import { postsScenario } from './posts.ts';
import { terminalProgress } from './progress.ts';
import { compareText } from './report/compare.ts';
import { resultOf, type Result } from './report/result.ts';
import { isStandardOutput, readCompared, writeResult } from './report/result-file.ts';
import { textReport } from './report/text-report.ts';
import { resumeScenario } from './resume.ts';
import type { BoundScenario, RunContext, RunResult, Scenario } from './scenario.ts';

const scenarios: readonly Scenario[] = [
  appendScenario,
  failoverScenario,
  fanoutScenario,
  postsScenario,
  resumeScenario,
];

/** How it is measured; the result states them. */
const measureOptions = defineOptions({
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
});

/** What is done with the result. */
const outputOptions = defineOptions({
  json: {
    value: 'file',
    schema: z.string().min(1).optional(),
    description: 'write everything that was measured there; - is standard output, instead of the table',
  },
  cpuProf: {
    value: 'folder',
    schema: z.string().min(1).optional(),
    description: "write CPU profiles of the servers' Node processes there; such figures are for finding, not quoting",
  },
});

const commonOptions = { ...measureOptions, ...outputOptions };

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
  program.option('--compare <files...>', 'two files of --json: the ratio of each figure, and whether it is noise');
  program.allowExcessArguments().action(() => compareCommand(program));
  return program;
}

/** Carries out what is no scenario. */
async function compareCommand(program: Command): Promise<void> {
  const [unknown] = program.args;
  if (unknown !== undefined) throw new UsageError(`unknown scenario '${unknown}'; see belfry bench --help`);
  const files: readonly string[] | undefined = program.opts<{ compare?: string[] }>().compare;
  const [a, b, ...more] = files ?? [];
  if (files === undefined) throw new UsageError('a scenario is missing; see belfry bench --help');
  if (a === undefined || b === undefined || more.length > 0) throw new UsageError('--compare takes two files');
  const results = [await readCompared(a), await readCompared(b)] as const;
  if (results[0].scenario !== results[1].scenario) {
    throw new UsageError(`${a} is of ${results[0].scenario}, ${b} of ${results[1].scenario}: nothing to compare`);
  }
  process.stdout.write(compareText(...results, [a, b]));
}

function addScenario(program: Command, scenario: Scenario): void {
  const command = program.command(scenario.name).description(scenario.summary);
  addOptions(addOptions(command, commonOptions), scenario.options);
  command.addHelpText('after', `\nExample:\n  belfry bench ${scenario.name} --seconds 10 --runs 5`);
  command.action(() => runScenario(command, scenario));
}

async function runScenario(command: Command, scenario: Scenario): Promise<void> {
  const options = readOptions(command, commonOptions);
  const bound = scenario.bind(command);
  const interruption = onInterrupt();
  const { seconds, cpuProf: profileFolder } = options;
  const rng = new SeededRng(options.seed);
  const progress = terminalProgress();
  const context = { clock: systemClock, rng, progress, signal: interruption.signal, seconds, profileFolder };
  try {
    const runs = await runAll(context, bound, options.runs);
    progress.clear();
    const shown = { seconds, runs: options.runs, seed: options.seed, ...bound.options };
    const at = new Date(systemClock.wallMs()).toISOString();
    const result = resultOf({ scenario: scenario.name, at, options: shown, machine: describeMachine(), runs });
    await present(result, options.json);
    if (result.failed) {
      throw new BenchFailedError(`FAILED: ${result.failures.length} checks; the first: ${result.failures[0] ?? ''}`);
    }
  } finally {
    progress.clear();
    interruption.stop();
  }
}

/** Q1 */
async function present(result: Result, json: string | undefined): Promise<void> {
  if (!isStandardOutput(json)) process.stdout.write(textReport(result));
  if (json !== undefined) await writeResult(json, result);
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
