/**
 * The one model of what a command measured: everything that the table, the JSON file, the page and a comparison show is
 * taken from here. It is plain data; the JSON file is this and nothing else.
 *
 * M1  Whatever was measured several times is a figure with all its values (figures.ts); where a figure comes from (latency
 *     histograms, rates over time, processes) stands in the runs' stretches.
 * M2  A failure in any run fails the whole. Notes and failures are told once, however many runs had them.
 * M3  No secrets, and nothing that names the machine.
 * M4  What servers used by role is taken from the stretches, here alone: no scenario has to ask for it.
 */
import type { Machine } from '../machine.ts';
import { roleFigures } from '../role-figures.ts';
import type { Measurement, RunResult } from '../scenario.ts';
import { queueFigures } from '../queue-waits.ts';
import { notesOf } from '../stretch-record.ts';
import { figuresOf, type Figure } from './figures.ts';

/** Raised when a reader of older files would misunderstand newer ones. */
export const resultFormat = 1;

export type Result = {
  readonly format: typeof resultFormat;
  readonly scenario: string;
  /** When it ended, in ISO 8601. */
  readonly at: string;
  /** The flags' values, defaults included (M3). */
  readonly options: Readonly<Record<string, unknown>>;
  readonly machine: Machine;
  readonly failed: boolean;
  readonly failures: readonly string[];
  readonly notes: readonly string[];
  readonly figures: readonly Figure[];
  /** CPU and memory by role, wherever processes are known (M4). */
  readonly roles: readonly Figure[];
  readonly runs: readonly RunResult[];
};

/** `notes`: those that are about the command, not about one of its runs. */
export type Measured = Pick<Result, 'scenario' | 'at' | 'options' | 'machine' | 'notes' | 'runs'>;

export function resultOf(measured: Measured): Result {
  const { runs } = measured;
  const failures = unique(runs.flatMap((run) => [...run.failures, ...run.stretches.flatMap(stretchFailures)]));
  const judged = notesOf(
    runs.flatMap((run) => run.stretches),
    measured.machine.cores,
  );
  const notes = unique([...measured.notes, ...runs.flatMap((run) => run.notes), ...judged]);
  return {
    format: resultFormat,
    ...measured,
    ...{ failed: failures.length > 0, failures, notes },
    roles: figuresOf(runs.map((run) => ({ measurements: run.stretches.flatMap(roleFigures) }))),
    figures: figuresOf(
      runs.map((run) => ({ measurements: [...run.measurements, ...run.stretches.flatMap(insideFigures)] })),
    ),
  };
}

/** The document's text. */
export function encodeResult(result: Result): string {
  return `${JSON.stringify(result, null, 1)}\n`;
}

/** Latency by hop and waits in queues are measured wherever there are servers that trace them: no scenario has to ask. */
function insideFigures({ subject, hops, queues }: RunResult['stretches'][number]): Measurement[] {
  const byHop = hops.flatMap(({ hop, p50Ms, p99Ms }) => [
    { subject, name: `hop ${hop}, p50`, unit: 'ms', value: p50Ms },
    { subject, name: `hop ${hop}, p99`, unit: 'ms', value: p99Ms },
  ]);
  return [...byHop, ...queueFigures(subject, queues)];
}

function stretchFailures({ subject, failures }: RunResult['stretches'][number]): string[] {
  return failures.map((failure) => `${subject}: ${failure}`);
}

function unique(lines: readonly string[]): string[] {
  return [...new Set(lines)];
}
