/** `belfry status` and `belfry drain`: what the cluster says of itself, for people. */
import type { Clock } from '../platform/clock.ts';
import { callApi, callPatiently, must, type ApiBody, type ApiTarget } from './api-client.ts';

export async function status(target: ApiTarget, json: boolean, clock: Clock): Promise<string> {
  const info = must(target, 'belfry.cluster.info', await callPatiently(target, 'belfry.cluster.info', {}, clock));
  if (!json) return statusText(info);
  const { ok: _ok, ...rest } = info;
  return `${JSON.stringify(rest, null, 2)}\n`;
}

export async function drain(target: ApiTarget, node: string): Promise<string> {
  must(target, 'belfry.cluster.drain', await callApi(target, 'belfry.cluster.drain', { node }));
  return `${node} is draining\n`;
}

type Row = Readonly<Record<string, unknown>>;

const groups = [
  ['workers', 'worker'],
  ['gateways', 'gateway'],
  ['webapps', 'webapp'],
] as const;
/** Shown elsewhere, or too long for a table. */
const leftOut = new Set(['id', 'role', 'incarnation']);

/** One table for each kind of node: what is known of each, one line a node. */
export function statusText(info: ApiBody): string {
  const tables = groups.flatMap(([key, role]) => nodeTable(role, rowsOf(info[key])));
  return `${[headline(info), ...tables].join('\n')}\n`;
}

function headline(info: ApiBody): string {
  const facts = Object.entries(info).filter(([key, value]) => key !== 'ok' && isPlain(value));
  const slots = typeof info['slots'] === 'object' && info['slots'] !== null ? Object.entries(info['slots']) : [];
  const slotFacts = slots.filter(([, value]) => isPlain(value)).map(([key, value]) => `slots ${key} ${String(value)}`);
  return [...facts.map(([key, value]) => `${key} ${String(value)}`), ...slotFacts].join(', ');
}

function nodeTable(role: string, rows: readonly Row[]): string[] {
  if (rows.length === 0) return [];
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter(
    (key) => !leftOut.has(key) && rows.some((row) => isPlain(row[key])),
  );
  const lines = rows.map((row) => [cell(row['id']), ...columns.map((key) => cell(row[key]))]);
  return ['', ...align([[role.toUpperCase(), ...columns.map((key) => key.toUpperCase())], ...lines])];
}

function align(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((text, at) => text.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function rowsOf(value: unknown): Row[] {
  return Array.isArray(value) ? value.filter((one): one is Row => typeof one === 'object' && one !== null) : [];
}

function isPlain(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function cell(value: unknown): string {
  return isPlain(value) && value !== '' ? String(value) : '-';
}
