/** The figures of a result's page: goals, peers side by side, CPU and memory by role, and the whole table. */
import { bytesPerMib } from '../role-figures.ts';
import { formatNumber } from '../table.ts';
import type { Figure } from './figures.ts';
import { card, element, escapeHtml, table } from './html-text.ts';
import type { Result } from './result.ts';
import { rolesOf, type RoleUse } from './role-uses.ts';
import { goalVerdict, spreadTable } from './text-report.ts';

/** One for each figure that has a goal. */
export function goalCards({ figures }: Result): string {
  const cards = figures.map((figure) => {
    const { met, subject, name, median, unit } = figure;
    const verdict = goalVerdict(figure);
    if (verdict === undefined) return '';
    const lines = [
      `<span class="muted">${escapeHtml(`${subject}: ${name.trim()}`)}</span>`,
      element('strong', escapeHtml(`${formatNumber(median)} ${unit}`)),
      `<span class="${met === true ? 'good' : 'bad'}">${escapeHtml(verdict)}</span>`,
      `<span class="muted">${escapeHtml(rangeText(figure))}</span>`,
    ];
    return element('div', lines.join('\n'), 'card');
  });
  const shown = cards.filter((one) => one !== '');
  return shown.length === 0 ? '' : element('div', shown.join('\n'), 'goals');
}

/** What several subjects have in common, a column for each; nothing where there is but one. */
export function peersCard({ figures }: Result, subjects: readonly string[]): string {
  const names = [...new Set(figures.map(({ name }) => name))];
  const rows = names.flatMap((name) => {
    const own = subjects.map((subject) => figures.find((one) => one.subject === subject && one.name === name));
    const known = own.filter((figure) => figure !== undefined);
    return known.length < 2 ? [] : [[name, known[0]?.unit ?? '', ...own.map(medianCell)]];
  });
  if (rows.length === 0) return '';
  const aligns = ['left', 'left', ...subjects.map(() => 'right' as const)] as const;
  return card('Side by side (medians)', table(['what', 'unit', ...subjects], aligns, rows));
}

/** Cores by role, one bar for each subject on one scale, and the memory of each role. */
export function cpuCard(result: Result, subjects: readonly string[]): string {
  const uses = subjects
    .map((subject) => ({ subject, roles: rolesOf(result, subject) }))
    .filter(({ roles }) => roles.length > 0);
  if (uses.length === 0) return '';
  const widest = Math.max(...uses.map(({ roles }) => totalCores(roles)), Number.MIN_VALUE);
  const bars = uses.map(({ subject, roles }) => {
    const segments = roles.map(({ cores }, at) => {
      return `<span class="c${at % 6}" style="width:${((cores / widest) * 100).toFixed(2)}%"></span>`;
    });
    const head = `<strong>${escapeHtml(subject)}</strong> ${formatNumber(totalCores(roles))} cores`;
    return `${element('div', `${head}<div class="bar">${segments.join('')}</div>`, 'subject')}\n${rolesTable(roles)}`;
  });
  const explained = '<p class="muted">Medians of the runs, from the operating system; memory is the highest seen.</p>';
  return card('CPU and memory by role', `${explained}\n${bars.join('\n')}`);
}

/** Every figure with its spread, as in the terminal. */
export function figuresCard({ figures }: Result): string {
  return card('All figures', table(...spreadTable(figures)));
}

function rolesTable(roles: readonly RoleUse[]): string {
  const rows = roles.map(({ role, count, cores, bytes }, at) => {
    const cells = [
      element('td', `<span class="key c${at % 6}"></span>${escapeHtml(role)}`),
      element('td', String(count), 'number'),
      element('td', formatNumber(cores), 'number'),
      element('td', formatNumber(bytes / bytesPerMib), 'number'),
    ];
    return element('tr', cells.join(''));
  });
  const heads = ['processes', 'cores', 'MiB resident'].map((head) => element('th', head, 'number')).join('');
  return `<table>\n<thead><tr><th>role</th>${heads}</tr></thead>\n<tbody>\n${rows.join('\n')}\n</tbody>\n</table>`;
}

function totalCores(roles: readonly RoleUse[]): number {
  return roles.reduce((sum, { cores }) => sum + cores, 0);
}

function medianCell(figure: Figure | undefined): string {
  return figure === undefined ? '' : formatNumber(figure.median);
}

function rangeText({ values, min, max }: Figure): string {
  return values.length === 1 ? 'one run' : `${formatNumber(min)} to ${formatNumber(max)} in ${values.length} runs`;
}
