/**
 * Two results of one scenario, figure by figure: the ratio of the medians, and whether it says anything.
 *
 * K1  The test: a difference is within noise when the ranges of the runs overlap, that is, when some run of A came out on
 *     the other side of some run of B. Ranges of three runs each are apart by mere chance once in ten times, of five each
 *     once in 126. With a single run on a side nothing can be told.
 * K2  Figures that only one of them has are named, not compared.
 * K3  What a result says of itself (client-bound, disturbed) is said of the comparison.
 */
import { formatNumber, tableLines } from '../table.ts';
import { figureKey, type Figure } from './figures.ts';
import type { Result } from './result.ts';

export type ComparedResult = Pick<Result, 'scenario' | 'options' | 'machine' | 'failed' | 'notes'> & {
  readonly figures: readonly ComparedFigure[];
};
export type ComparedFigure = Pick<Figure, 'subject' | 'name' | 'unit' | 'values' | 'min' | 'median' | 'max'>;

export type Verdict = 'within noise' | 'higher' | 'lower' | 'one run' | 'equal';

export type ComparedRow = {
  readonly a: ComparedFigure;
  readonly b: ComparedFigure;
  /** B : A, of the medians. */
  readonly ratio: number;
  readonly verdict: Verdict;
};

export function compareFigures(a: ComparedResult, b: ComparedResult): ComparedRow[] {
  const others = new Map(b.figures.map((figure) => [figureKey(figure), figure]));
  return a.figures.flatMap((figure) => {
    const other = others.get(figureKey(figure));
    if (other === undefined) return [];
    return [{ a: figure, b: other, ratio: other.median / figure.median, verdict: verdictOf(figure, other) }];
  });
}

/** K1 */
export function verdictOf(a: ComparedFigure, b: ComparedFigure): Verdict {
  if (a.min === b.min && a.max === b.max) return 'equal';
  if (a.values.length < 2 || b.values.length < 2) return 'one run';
  if (b.min > a.max) return 'higher';
  return b.max < a.min ? 'lower' : 'within noise';
}

export function compareText(a: ComparedResult, b: ComparedResult, names: readonly [string, string]): string {
  const rows = compareFigures(a, b).map((row) => [
    row.a.subject,
    row.a.name,
    cell(row.a),
    cell(row.b),
    row.a.unit,
    formatNumber(row.ratio),
    verdictText(row.verdict),
  ]);
  const heads = ['whose', 'what', 'A', 'B', 'unit', 'B : A', ''];
  const table = tableLines(heads, ['left', 'left', 'right', 'right', 'left', 'right', 'left'], rows);
  const notes = notesOn(a, b).map((note) => `note: ${note}`);
  return `${[`${a.scenario}: A = ${names[0]}, B = ${names[1]}`, '', ...table, '', ...notes].join('\n')}\n`;
}

function notesOn(a: ComparedResult, b: ComparedResult): string[] {
  return [
    'within noise: the ranges (min-max) of the runs overlap. Ranges of 3 runs are apart by chance 1 time in 10, of 5 runs 1 in 126',
    ...failedNotes(a, b),
    ...ownNotes(a, b),
    ...differences('machine', { ...a.machine }, { ...b.machine }),
    ...differences('option', a.options, b.options),
    ...lonely('A', a, b),
    ...lonely('B', b, a),
  ];
}

function failedNotes(a: ComparedResult, b: ComparedResult): string[] {
  const failed = Object.entries({ A: a, B: b }).filter(([, result]) => result.failed);
  return failed.map(([name]) => `${name} FAILED: its figures do not count`);
}

/** K3 */
function ownNotes(a: ComparedResult, b: ComparedResult): string[] {
  const both = a.notes.filter((note) => b.notes.includes(note));
  const only = (name: string, { notes }: ComparedResult) =>
    notes.filter((note) => !both.includes(note)).map((note) => `${name}: ${note}`);
  return [...both.map((note) => `A and B: ${note}`), ...only('A', a), ...only('B', b)];
}

type Values = Readonly<Record<string, unknown>>;

function differences(what: string, a: Values, b: Values): string[] {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const differing = keys.filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
  return differing.map((key) => `${what} ${key} differs: A ${shown(a[key])}, B ${shown(b[key])}`);
}

/** K2 */
function lonely(name: string, one: ComparedResult, other: ComparedResult): string[] {
  const known = new Set(other.figures.map(figureKey));
  const alone = one.figures.filter((figure) => !known.has(figureKey(figure)));
  return alone.length === 0
    ? []
    : [`only in ${name}: ${alone.map((one) => `${one.subject} ${one.name.trim()}`).join('; ')}`];
}

function cell({ median, min, max, values }: ComparedFigure): string {
  return values.length < 2
    ? formatNumber(median)
    : `${formatNumber(median)} (${formatNumber(min)}-${formatNumber(max)})`;
}

function verdictText(verdict: Verdict): string {
  if (verdict === 'higher' || verdict === 'lower') return `B ${verdict}`;
  return verdict === 'one run' ? 'one run only: cannot tell' : verdict;
}

function shown(value: unknown): string {
  return value === undefined ? 'none' : typeof value === 'string' ? value : JSON.stringify(value);
}
