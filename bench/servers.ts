/**
 * The servers of a scenario: a `belfry dev` of its own, or with --target any deployment that runs already.
 *
 * T1  Of a deployment that is only known by its URL no process is known: CPU and memory figures are left out, and the
 *     result says so. Of a running `belfry dev`, named by its folder, they are known.
 * T2  What a run makes there (users, channels) stays there, under names that no other run has. The tokens of its users are
 *     marked unlimited: what is measured is not the rate limit.
 */
import { UsageError } from '../platform/config.ts';
import type { DevFile } from './dev-file.ts';
import { readDevFile } from './dev-file.ts';
import { startDev } from './dev-instance.ts';
import type { RoleProcess } from './process-meter.ts';
import type { RunContext } from './scenario.ts';

/** Where the API is, and what makes users and channels there. */
export type Access = {
  /** Ends in `/api/`. */
  readonly api: string;
  /** The admin token. */
  readonly admin: string;
  /** Begins the names of everything that the run makes (T2). */
  readonly prefix: string;
  /** Whether tokens must be marked unlimited. */
  readonly limited: boolean;
  /** Aborts on Ctrl-C: setting up, which may take minutes, ends. */
  readonly signal: AbortSignal;
};

export type Servers = {
  readonly access: Access;
  /** All server processes on this machine now, with their roles; none where none is known (T1). */
  processes(): RoleProcess[];
  stop(): Promise<void>;
};

export type ServerCounts = {
  readonly workers: number;
  readonly gateways: number;
  readonly natsServer: string | undefined;
};

/** A deployment that runs already: by URL and admin token, or by the folder of a `belfry dev`. */
export type Target = { readonly url: string; readonly token: string | undefined };

/** @throws UsageError for a target that is none; Error when an own `belfry dev` does not become ready. */
export async function openServers(context: RunContext, counts: ServerCounts): Promise<Servers> {
  const { clock, signal, profileFolder, target } = context;
  if (target === undefined) return startDev(clock, signal, { ...counts, profileFolder });
  const prefix = `load-${Math.floor(clock.wallMs()).toString(36)}`;
  const common = { prefix, limited: true, signal };
  if (!isUrl(target.url)) return devAt(target.url, common);
  if (target.token === undefined) throw new UsageError('--target needs --token (BELFRY_TOKEN), its admin token');
  const access = { api: apiUrl(target.url), admin: target.token, ...common };
  return { access, processes: () => [], stop: () => Promise.resolve() };
}

/** What a result of a run on a target must say (T1). */
export function targetNotes(target: Target | undefined): string[] {
  if (target === undefined || !isUrl(target.url)) return [];
  return [
    'the servers were not started by this command: their CPU and memory are not known, and nothing is said of them',
  ];
}

function devAt(folder: string, common: Pick<Access, 'prefix' | 'limited' | 'signal'>): Servers {
  const dev = readDevFile(folder);
  if (dev === undefined)
    throw new UsageError(`--target ${folder}: neither a URL nor the folder of a running belfry dev`);
  return {
    access: { api: dev.api, admin: dev.admin, ...common },
    processes: () => roleProcesses(readDevFile(folder) ?? dev),
    stop: () => Promise.resolve(),
  };
}

function roleProcesses({ processes }: DevFile): RoleProcess[] {
  return processes.map(({ role, pid, id }) => ({ role, pid, id }));
}

function isUrl(text: string): boolean {
  return /^https?:\/\//.test(text);
}

function apiUrl(url: string): string {
  const base = url.endsWith('/') ? url : `${url}/`;
  return base.endsWith('/api/') ? base : `${base}api/`;
}
