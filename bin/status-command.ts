/** `belfry status` and `belfry drain`: what the cluster says of itself, for people. */
import type { Clock } from '../platform/clock.ts';
import { callApi, callPatiently, must, type ApiBody, type ApiTarget } from './api-client.ts';

export async function status(target: ApiTarget, json: boolean, clock: Clock): Promise<string> {
  const info = must(target, 'belfry.cluster.info', await callPatiently(target, 'belfry.cluster.info', {}, clock));
  if (!json) return statusText(info, clock.wallMs());
  const { ok: _ok, ...rest } = info;
  return `${JSON.stringify(rest, null, 2)}\n`;
}

export async function drain(target: ApiTarget, node: string): Promise<string> {
  must(target, 'belfry.cluster.drain', await callApi(target, 'belfry.cluster.drain', { node }));
  return `${node} is draining; its process ends when it is empty\n`;
}

type Row = Readonly<Record<string, unknown>>;
type Column = { readonly title: string; show(row: Row, nowMs: number): string };

const field = (title: string, key: string): Column => ({ title, show: (row) => cell(row[key]) });
const name = (role: string): Column => field(role.toUpperCase(), 'id');
const common: readonly Column[] = [
  field('ZONE', 'zone'),
  field('REGION', 'region'),
  field('PID', 'pid'),
  field('VERSION', 'version'),
  field('VIEW', 'view'),
  { title: 'UP', show: (row, nowMs) => duration(nowMs - Number(row['startedAt'])) },
];
const state = field('STATE', 'state');
const address = field('URL', 'publicUrl');
/** Where /metrics is. */
const admin = field('ADMIN', 'adminUrl');
const tables: readonly (readonly [key: string, columns: readonly Column[]])[] = [
  ['workers', [name('worker'), state, field('SLOTS', 'slots'), field('WEIGHT', 'weight'), ...common, admin]],
  ['gateways', [name('gateway'), state, field('SESSIONS', 'load'), ...common, admin, address]],
  ['webapps', [name('webapp'), state, ...common, admin, address]],
];

/** What the slots' table says, then one table for each kind of node, one line a node. `nowMs`: since 1970. */
export function statusText(info: ApiBody, nowMs: number): string {
  const blocks = tables.flatMap(([key, columns]) => nodeTable(columns, rowsOf(info[key]), nowMs));
  return `${[headline(info), ...blocks].join('\n')}\n`;
}

function headline(info: ApiBody): string {
  const slots = Object.entries((info['slots'] ?? {}) as Row).map(([key, value]) => `${cell(value)} ${key}`);
  return `view ${cell(info['view'])}, slots: ${slots.join(', ')}`;
}

function nodeTable(columns: readonly Column[], rows: readonly Row[], nowMs: number): string[] {
  if (rows.length === 0) return [];
  const lines = rows.map((row) => columns.map((column) => column.show(row, nowMs)));
  return ['', ...align([columns.map((column) => column.title), ...lines])];
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

function cell(value: unknown): string {
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isPlain && value !== '' ? String(value) : '-';
}

/** In the largest unit that it fills. */
function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (Number.isNaN(seconds)) return '-';
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`;
}
