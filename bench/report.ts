/** What the harness prints: a table for people, or one JSON document for programs. Both say FAILED where that is so. */
import type { Machine } from './machine.ts';
import type { Detail, Goal, RunResult } from './scenario.ts';
import { summarise, type Summary } from './statistics.ts';
import { formatNumber, tableLines } from './table.ts';

export type Report = {
  readonly scenario: string;
  readonly seconds: number;
  readonly machine: Machine;
  readonly runs: readonly RunResult[];
};

export const failuresOf = (report: Report): string[] => report.runs.flatMap((run) => run.failures);

export function jsonReport(report: Report): string {
  const failed = failuresOf(report).length > 0;
  return `${JSON.stringify({ ...report, failed, summary: summarise(report.runs) }, null, 2)}\n`;
}

export function textReport(report: Report): string {
  const failures = failuresOf(report);
  const lines = [
    headline(report),
    '',
    ...(report.runs.length > 1 ? spreadTable(report) : singleTable(report)),
    ...report.runs.flatMap((run) => run.details ?? []).flatMap(detailLines),
    ...section(
      '',
      unique(report.runs.flatMap((run) => run.notes)).map((note) => `note: ${note}`),
    ),
    ...section(
      '',
      unique(failures).map((failure) => `FAILED: ${failure}`),
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function headline({ scenario, seconds, runs, machine }: Report): string {
  const times = runs.length === 1 ? 'one run' : `${runs.length} runs`;
  return `${scenario}: ${times} of ${seconds} s; ${machine.cores} cores, ${machine.memoryGib} GiB, Node.js ${machine.node}, ${machine.platform}`;
}

function spreadTable({ runs }: Report): string[] {
  const rows = summarise(runs).map((summary) => [
    ...nameCells(summary),
    formatNumber(summary.median),
    formatNumber(summary.min),
    formatNumber(summary.max),
    summary.unit,
    goalCell(summary),
  ]);
  const heads = ['whose', 'what', 'median', 'min', 'max', 'unit', 'goal'];
  return tableLines(heads, ['left', 'left', 'right', 'right', 'right', 'left', 'left'], rows);
}

function singleTable({ runs }: Report): string[] {
  const rows = summarise(runs).map((summary) => [
    ...nameCells(summary),
    formatNumber(summary.median),
    summary.unit,
    goalCell(summary),
  ]);
  return tableLines(['whose', 'what', 'value', 'unit', 'goal'], ['left', 'left', 'right', 'left', 'left'], rows);
}

function detailLines({ title, heads, aligns, rows }: Detail): string[] {
  return ['', title, ...tableLines(heads, aligns, rows)];
}

function nameCells(summary: Summary): [string, string] {
  return [summary.subject, summary.name];
}

function goalCell({ goal, met }: Summary): string {
  return goal === undefined ? '' : `${goalText(goal)}: ${met === true ? 'met' : 'missed'}`;
}

function goalText(goal: Goal): string {
  return 'atLeast' in goal ? `>= ${formatNumber(goal.atLeast)}` : `<= ${formatNumber(goal.atMost)}`;
}

function section(head: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [head, ...lines];
}

function unique(lines: readonly string[]): string[] {
  return [...new Set(lines)];
}
