/** The table for people: every figure with its spread and its goal, what the servers used, then what one must know to believe it. */
import type { Detail, Goal } from '../scenario.ts';
import { formatNumber, tableLines, type Align } from '../table.ts';
import type { Figure } from './figures.ts';
import type { Result } from './result.ts';
import { roleLines } from './role-uses.ts';

export function textReport(result: Result): string {
  const { runs, notes, failures, figures } = result;
  const lines = [
    headline(result),
    '',
    ...tableLines(...(runs.length > 1 ? spreadTable(figures) : singleTable(figures))),
    ...section(roleLines(result)),
    ...runs.flatMap((run) => run.details ?? []).flatMap(detailLines),
    ...section(notes.map((note) => `note: ${note}`)),
    ...section(failures.map((failure) => `FAILED: ${failure}`)),
  ];
  return `${lines.join('\n')}\n`;
}

/** What was run, on what. */
export function headline({
  scenario,
  options,
  runs,
  machine,
}: Pick<Result, 'scenario' | 'options' | 'runs' | 'machine'>) {
  const times = runs.length === 1 ? 'one run' : `${runs.length} runs`;
  const { cores, memoryGib, node, platform } = machine;
  return `${scenario}: ${times} of ${String(options['seconds'])} s; ${cores} cores, ${memoryGib} GiB, Node.js ${node}, ${platform}`;
}

export function goalVerdict({ goal, met, bought }: Figure): string | undefined {
  if (goal === undefined) return undefined;
  return `${goalText(goal)}: ${met === true ? 'met' : bought ? 'missed, bought with latency' : 'missed'}`;
}

function goalText(goal: Goal): string {
  return 'atLeast' in goal ? `>= ${formatNumber(goal.atLeast)}` : `<= ${formatNumber(goal.atMost)}`;
}

/** The table of several runs: its heads, their sides and its rows. */
export function spreadTable(figures: readonly Figure[]): [string[], Align[], string[][]] {
  const rows = figures.map((figure) => [
    figure.subject,
    figure.name,
    formatNumber(figure.median),
    formatNumber(figure.min),
    formatNumber(figure.max),
    figure.unit,
    goalVerdict(figure) ?? '',
  ]);
  const heads = ['whose', 'what', 'median', 'min', 'max', 'unit', 'goal'];
  return [heads, ['left', 'left', 'right', 'right', 'right', 'left', 'left'], rows];
}

function singleTable(figures: readonly Figure[]): [string[], Align[], string[][]] {
  const rows = figures.map((figure) => [
    figure.subject,
    figure.name,
    formatNumber(figure.median),
    figure.unit,
    goalVerdict(figure) ?? '',
  ]);
  return [['whose', 'what', 'value', 'unit', 'goal'], ['left', 'left', 'right', 'left', 'left'], rows];
}

function detailLines({ title, heads, aligns, rows }: Detail): string[] {
  return ['', title, ...tableLines(heads, aligns, rows)];
}

/** Set apart by an empty line, when there is anything. */
function section(lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', ...lines];
}
