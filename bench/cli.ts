/**
 * `belfry bench SCENARIO`: measures it, prints one table, and writes JSON where that is asked for.
 * `belfry bench --compare A B`: sets two such JSON files side by side.
 *
 * Q1  stdout carries the result and nothing else: the table, or with `--json -` the JSON. Progress goes to
 *     stderr (progress.ts).
 * Q2  A run that lost, doubled or disordered a message prints FAILED and makes the exit code 1. A missed goal does not.
 */
import type { Command } from 'commander';
import { addOptions, createProgram, readOptions, UsageError } from '../platform/config.ts';
import { appendScenario } from './append.ts';
import { commonOptions, type CommonOptions } from './bench-options.ts';
import { channelsScenario } from './channels.ts';
import { connectionsScenario } from './connections.ts';
import { failoverScenario } from './failover.ts';
import { fanoutScenario } from './fanout.ts';
import { growthScenario } from './growth.ts';
import { joinCommand } from './join.ts';
import { mixedScenario } from './mixed.ts';
import { postsScenario } from './posts.ts';
import { compareText } from './report/compare.ts';
import { writeHtml } from './report/html-report.ts';
import type { Result } from './report/result.ts';
import { isStandardOutput, readCompared, writeResult } from './report/result-file.ts';
import { textReport } from './report/text-report.ts';
import { resumeScenario } from './resume.ts';
import { runScenario } from './run-scenario.ts';
import type { Scenario } from './scenario.ts';
import { spreadScenario } from './spread.ts';

const scenarios: readonly Scenario[] = [
  appendScenario,
  channelsScenario,
  connectionsScenario,
  failoverScenario,
  fanoutScenario,
  growthScenario,
  mixedScenario,
  postsScenario,
  resumeScenario,
  spreadScenario,
];

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
  program.option('--join <nats-url>', 'take a part of the load of a belfry bench SCENARIO --coordinate <nats-url>');
  program.addHelpText(
    'after',
    '\nExample:\n  belfry bench fanout --html fanout.html\n  belfry bench --compare a.json b.json',
  );
  program.allowExcessArguments().action(() => otherCommand(program));
  return program;
}

/** Carries out what is no scenario. */
async function otherCommand(program: Command): Promise<void> {
  const [unknown] = program.args;
  if (unknown !== undefined) throw new UsageError(`unknown scenario '${unknown}'; see belfry bench --help`);
  const { compare, join } = program.opts<{ compare?: string[]; join?: string }>();
  if (join !== undefined) return joinCommand(join);
  if (compare === undefined) throw new UsageError('a scenario is missing; see belfry bench --help');
  return compareCommand(compare);
}

async function compareCommand([a, b, ...more]: readonly string[]): Promise<void> {
  if (a === undefined || b === undefined || more.length > 0) throw new UsageError('--compare takes two files');
  const results = [await readCompared(a), await readCompared(b)] as const;
  if (results[0].scenario !== results[1].scenario) {
    throw new UsageError(`${a} is of ${results[0].scenario}, ${b} of ${results[1].scenario}: nothing to compare`);
  }
  process.stdout.write(compareText(...results, [a, b]));
}

function addScenario(program: Command, scenario: Scenario): void {
  const command = program.command(scenario.name).description(scenario.summary);
  addOptions(addOptions(command, commonOptions(scenario.defaults)), scenario.options);
  command.addHelpText('after', `\nExample:\n  belfry bench ${scenario.name} --seconds 10 --runs 5`);
  command.action(() => measureCommand(command, scenario));
}

async function measureCommand(command: Command, scenario: Scenario): Promise<void> {
  const options = readOptions(command, commonOptions(scenario.defaults));
  const result = await runScenario(scenario, scenario.bind(command), options);
  await present(result, options);
  if (!result.failed) return;
  throw new BenchFailedError(`FAILED: ${result.failures.length} checks; the first: ${result.failures[0] ?? ''}`);
}

/** Q1 */
async function present(result: Result, { json, html }: CommonOptions): Promise<void> {
  if (!isStandardOutput(json)) process.stdout.write(textReport(result));
  if (json !== undefined) await writeResult(json, result);
  if (html !== undefined) await writeHtml(html, result);
}
