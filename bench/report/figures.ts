/**
 * Repeated runs put together: each measurement's lowest, middle and highest value. With few runs a mean would hide
 * the one that was disturbed; the median does not care, and the spread shows it.
 */
import { assert, defined } from '../../platform/assert.ts';
import type { Goal, Measurement } from '../scenario.ts';

export type Spread = { readonly min: number; readonly median: number; readonly max: number };

export type Figure = Omit<Measurement, 'value'> &
  Spread & {
    /** One for each run that had it. */
    readonly values: readonly number[];
    /** Whether the median meets the goal; undefined where there is none. */
    readonly met: boolean | undefined;
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
  const known = new Map<string, { first: Measurement; values: number[] }>();
  for (const measurement of runs.flatMap((run) => run.measurements)) {
    if (!Number.isFinite(measurement.value)) continue;
    const key = figureKey(measurement);
    const figure = known.get(key);
    if (figure === undefined) known.set(key, { first: measurement, values: [measurement.value] });
    else figure.values.push(measurement.value);
  }
  return [...known.values()].map(({ first, values }) => figureOf(first, values));
}

/** Two figures with the same one are about the same thing. */
export function figureKey({ subject, name }: Pick<Measurement, 'subject' | 'name'>): string {
  return `${subject}\n${name}`;
}

export function meets(goal: Goal, value: number): boolean {
  return 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;
}

function figureOf({ subject, name, unit, goal }: Measurement, values: readonly number[]): Figure {
  const spread = spreadOf(values);
  const figure = { subject, name, unit, values, ...spread };
  return goal === undefined ? { ...figure, met: undefined } : { ...figure, goal, met: meets(goal, spread.median) };
}
