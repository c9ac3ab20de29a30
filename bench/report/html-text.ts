/** Pieces of HTML: escaped text, elements, cards and tables. */
import type { Align } from '../table.ts';

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? character);
}

/** `inner` is HTML already. */
export function element(name: string, inner: string, className = ''): string {
  return `<${name}${className === '' ? '' : ` class="${className}"`}>${inner}</${name}>`;
}

export function card(head: string, inner: string, className = ''): string {
  return element('section', `\n${element('h2', escapeHtml(head))}\n${inner}\n`, `card ${className}`.trimEnd());
}

/** Cells are text, escaped here. */
export function table(
  heads: readonly string[],
  aligns: readonly Align[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[], name: 'th' | 'td') =>
    element('tr', cells.map((cell, at) => element(name, escapeHtml(cell), numberClass(aligns[at]))).join(''));
  const body = rows.map((row) => line(row, 'td')).join('\n');
  return `<table>\n<thead>${line(heads, 'th')}</thead>\n<tbody>\n${body}\n</tbody>\n</table>`;
}

function numberClass(align: Align | undefined): string {
  return align === 'right' ? 'number' : '';
}
