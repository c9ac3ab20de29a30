/**
 * A result as one page that stands alone: figures, charts and what one must know to believe them. Opened from disk it
 * fetches nothing; style, script, chart library and data are all in it.
 *
 * H1  Whatever comes from the result is escaped; the data block cannot end its element.
 * H2  Tables and bars are plain HTML and CSS, so that the page says all but the curves without its script.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { projectRoot } from '../../platform/project-root.ts';
import type { Detail } from '../scenario.ts';
import { tableLines } from '../table.ts';
import { cpuCard, goalCards, figuresCard, peersCard } from './html-figures.ts';
import { card, element, escapeHtml, table } from './html-text.ts';
import { pageDataOf, type Chart } from './page-data.ts';
import type { Result } from './result.ts';
import { headline } from './text-report.ts';

export async function writeHtml(path: string, result: Result): Promise<void> {
  await writeFile(path, htmlReport(result));
}

export function htmlReport(result: Result): string {
  const data = pageDataOf(result);
  const { chartStyle, chartScript, chartLicence } = chartLibrary();
  const own = (name: string) => readFileSync(join(projectRoot(), 'bench/report', name), 'utf8');
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    element('title', escapeHtml(`belfry bench ${result.scenario}`)),
    `<style>${chartStyle}\n${own('page.css')}</style>`,
    '</head>',
    '<body>',
    element('main', bodyOf(result, data.subjects, data.charts)),
    `<!-- uPlot: ${chartLicence} -->`,
    // `<` is written as an escape that JSON has, so no text can end the element (H1).
    `<script type="application/json" id="data">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>`,
    `<script>${chartScript}</script>`,
    `<script>${own('page.js')}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function bodyOf(result: Result, subjects: readonly string[], charts: readonly Chart[]): string {
  const details = result.runs.flatMap((run) => run.details ?? []);
  return [
    title(result),
    failedCard(result),
    goalCards(result),
    peersCard(result, subjects),
    ...charts.map(chartCard),
    cpuCard(result, subjects),
    figuresCard(result),
    notesCard(result),
    ...details.map(detailCard),
    optionsCard(result),
  ].join('\n');
}

function title(result: Result): string {
  const verdict = result.failed
    ? '<strong class="bad">FAILED: these figures do not count</strong>'
    : '<strong class="good">Checked while measured: nothing lost, doubled or out of order</strong>';
  return [
    element('h1', escapeHtml(`belfry bench ${result.scenario}`)),
    `<p class="muted">${escapeHtml(headline(result))}; ${escapeHtml(result.at)}</p>`,
    element('p', verdict),
  ].join('\n');
}

function failedCard({ failures }: Result): string {
  return failures.length === 0 ? '' : card('FAILED', list(failures), 'failed');
}

function notesCard({ notes }: Result): string {
  return notes.length === 0 ? '' : card('Notes', list(notes));
}

const explained = {
  percentiles:
    'How long, by percentile, all runs together; the axis gives each further nine as much room. Lower is better.',
  rate: 'Step by step over each run.',
} as const;

function chartCard({ kind, title: name }: Chart, at: number): string {
  const head = kind === 'percentiles' ? `Latency: ${name}` : name.charAt(0).toUpperCase() + name.slice(1);
  return card(head, `<p class="muted">${explained[kind]}</p>\n<div id="chart-${at}"></div>`);
}

function detailCard({ title: name, heads, aligns, rows }: Detail): string {
  return card(name, element('pre', escapeHtml(tableLines(heads, aligns, rows).join('\n'))));
}

function optionsCard({ options }: Result): string {
  const rows = Object.entries(options).map(([key, value]) => [key, String(value)]);
  return card('Options', table(['option', 'value'], ['left', 'left'], rows));
}

function list(lines: readonly string[]): string {
  return lines.map((line) => element('p', escapeHtml(line))).join('\n');
}

/** uPlot as it was installed: one script that defines a global, one style sheet, and what its licence asks to go along. */
function chartLibrary() {
  const require = createRequire(import.meta.url);
  const script = require.resolve('uplot/dist/uPlot.iife.min.js');
  const read = (path: string) => readFileSync(join(dirname(script), path), 'utf8');
  return {
    chartScript: readFileSync(script, 'utf8'),
    chartStyle: read('uPlot.min.css'),
    chartLicence: read('../LICENSE').replaceAll(/\s+/g, ' ').replaceAll('--', '- -'),
  };
}
