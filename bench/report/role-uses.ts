/** What servers used, by role, as page and terminal show it wherever processes are known: CPU and memory. */
import { bytesPerMib } from '../role-figures.ts';
import { formatNumber, tableLines, type Align } from '../table.ts';
import { spreadOf } from './figures.ts';
import type { Result } from './result.ts';

export type RoleUse = { readonly role: string; readonly count: number; readonly cores: number; readonly bytes: number };

/** Medians of the runs; memory is the highest seen. */
export function rolesOf({ runs }: Pick<Result, 'runs'>, subject: string): RoleUse[] {
  const stretches = runs.flatMap((run) => run.stretches.filter((stretch) => stretch.subject === subject));
  const roles = [...new Set(stretches.flatMap(({ processes }) => processes.map(({ role }) => role)))];
  return roles.map((role) => {
    const own = stretches.map(({ processes, seconds }) => ({
      seconds,
      uses: processes.filter((process) => process.role === role),
    }));
    const cores = own.map(({ uses, seconds }) => uses.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) / seconds);
    const bytes = own.map(({ uses }) => uses.reduce((sum, { residentBytes }) => sum + residentBytes, 0));
    const count = Math.max(...own.map(({ uses }) => uses.length));
    return { role, count, cores: spreadOf(cores).median, bytes: Math.max(...bytes) };
  });
}

/** A row for each subject, a column for each role; nothing where no process is known. */
export function roleLines(result: Pick<Result, 'runs'>): string[] {
  const stretches = result.runs.flatMap((run) => run.stretches);
  const known = stretches.filter(({ processes }) => processes.length > 0);
  const subjects = [...new Set(known.map(({ subject }) => subject))];
  const uses = subjects.map((subject) => rolesOf(result, subject));
  const roles = [...new Set(uses.flat().map(({ role }) => role))];
  if (roles.length === 0) return [];
  const rows = subjects.map((subject, at) => [
    subject,
    ...roles.map((role) => useText(uses[at]?.find((use) => use.role === role))),
  ]);
  const aligns: Align[] = ['left', ...roles.map(() => 'right' as const)];
  return [
    'CPU in cores and memory in MiB, by role (processes, where there are several)',
    ...tableLines(['whose', ...roles], aligns, rows),
  ];
}

function useText(use: RoleUse | undefined): string {
  if (use === undefined) return '';
  const count = use.count > 1 ? ` (${use.count})` : '';
  return `${formatNumber(use.cores)}, ${formatNumber(Math.round(use.bytes / bytesPerMib))}${count}`;
}
