/**
 * Repeated runs put together: each measurement's lowest, middle and highest value. With few runs a mean would hide
 * the one that was disturbed; the median does not care, and the spread shows it.
 */
import { assert, defined } from '../../platform/assert.ts';
import type { Goal, Measurement } from '../scenario.ts';

export type Spread = { readonly min: number; readonly median: number; readonly max: number };

export type Figure = Omit<Measurement, 'value' | 'bought'> &
  Spread & {
    /** One for each run that had it. */
    readonly values: readonly number[];
    /** Whether the median meets the goal; undefined where there is none. */
    readonly met: boolean | undefined;
    /** Half of the runs or more bought it with latency: then it meets nothing. */
    readonly bought: boolean;
  };

export function spreadOf(values: readonly number[]): Spread {
  assert(values.length > 0, 'statistics/not-empty');
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => defined(sorted[index], 'statistics/in-range', { index });
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { min: at(0), median, max: at(sorted.length - 1) };
}

/**
 * One figure per measurement, in the order of the first run. What is no number is not known (the CPU of servers that are
 * elsewhere, and all that is divided by it) and left out.
 */
export function figuresOf(runs: readonly { readonly measurements: readonly Measurement[] }[]): Figure[] {
  const known = new Map<string, Measurement[]>();
  for (const measurement of runs.flatMap((run) => run.measurements)) {
    if (!Number.isFinite(measurement.value)) continue;
    const key = figureKey(measurement);
    known.set(key, [...(known.get(key) ?? []), measurement]);
  }
  return [...known.values()].map(figureOf);
}

/** Two figures with the same one are about the same thing. */
export function figureKey({ subject, name }: Pick<Measurement, 'subject' | 'name'>): string {
  return `${subject}\n${name}`;
}

export function meets(goal: Goal, value: number): boolean {
  return 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;
}

/** `repeats` of one measurement, one at least. */
function figureOf(repeats: readonly Measurement[]): Figure {
  const { subject, name, unit, goal } = defined(repeats[0], 'statistics/repeats');
  const values = repeats.map(({ value }) => value);
  const spread = spreadOf(values);
  const bought = repeats.filter((one) => one.bought === true).length * 2 >= repeats.length;
  const figure = { subject, name, unit, values, ...spread, bought };
  if (goal === undefined) return { ...figure, met: undefined };
  return { ...figure, goal, met: !bought && meets(goal, spread.median) };
}
