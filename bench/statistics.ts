/**
 * Repeated runs put together: each measurement's lowest, middle and highest value. With few runs a mean would hide
 * the one that was disturbed; the median does not care, and the spread shows it.
 */
import { assert, defined } from '../platform/assert.ts';
import type { Goal, Measurement, RunResult } from './scenario.ts';

export type Spread = { readonly min: number; readonly median: number; readonly max: number };

export type Summary = Omit<Measurement, 'value'> &
  Spread & {
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

/** One summary per measurement, in the order of the first run. */
export function summarise(runs: readonly RunResult[]): Summary[] {
  const values = new Map<string, { first: Measurement; values: number[] }>();
  for (const measurement of runs.flatMap((run) => run.measurements)) {
    const key = `${measurement.subject}\n${measurement.name}`;
    const known = values.get(key);
    if (known === undefined) values.set(key, { first: measurement, values: [measurement.value] });
    else known.values.push(measurement.value);
  }
  return [...values.values()].map(({ first, values: all }) => summaryOf(first, spreadOf(all)));
}

export function meets(goal: Goal, value: number): boolean {
  return 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;
}

function summaryOf({ subject, name, unit, goal }: Measurement, spread: Spread): Summary {
  const summary = { subject, name, unit, ...spread };
  return goal === undefined ? { ...summary, met: undefined } : { ...summary, goal, met: meets(goal, spread.median) };
}
