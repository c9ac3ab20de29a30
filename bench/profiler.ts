/**
 * CPU profiles of the server's Node processes over a measured stretch. Node 20 takes no --cpu-prof from NODE_OPTIONS,
 * so a small hook (profile-hook.ts) does it, on a signal.
 *
 * Profiling costs the profiled process several per cent: figures of such a run are for finding, not for quoting.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { RoleProcess } from './process-meter.ts';
import { loadFile } from './load-port.ts';
import { cpuSecondsOf } from './process-stat.ts';

/** Roles that run Node and are worth a look. */
const profiledRoles = ['webapp', 'worker', 'gateway'];
const pollMs = 50;

/** What the servers must have in their environment to be profiled later; nothing where no folder is given. */
export function profileEnvironment(folder: string | undefined): Record<string, string> {
  if (folder === undefined) return {};
  const hook = pathToFileURL(loadFile('./profile-hook'));
  hook.searchParams.set('into', resolve(folder));
  return { NODE_OPTIONS: `--import=${hook.href}` };
}

export type Profile = { readonly role: string; readonly path: string };

export class Profiler {
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #processes: readonly RoleProcess[];

  constructor(clock: Clock, folder: string, processes: readonly RoleProcess[]) {
    this.#clock = clock;
    this.#folder = resolve(folder);
    this.#processes = processes.filter(({ role }) => profiledRoles.includes(role));
  }

  start(): void {
    this.#signal();
  }

  /** Stops profiling; the profiles that were written in time. */
  async stop(): Promise<Profile[]> {
    this.#signal();
    const wanted = this.#processes.map(({ role, pid }) => ({
      role,
      path: join(this.#folder, `${role}-${pid}.cpuprofile`),
    }));
    const deadlineMs = this.#clock.monotonicMs() + limits.benchEndMs;
    while (!wanted.every(({ path }) => existsSync(path)) && this.#clock.monotonicMs() < deadlineMs) {
      await this.#clock.sleep(pollMs);
    }
    return wanted.filter(({ path }) => existsSync(path));
  }

  #signal(): void {
    for (const { pid } of this.#processes) if (cpuSecondsOf(pid) !== undefined) process.kill(pid, 'SIGUSR2');
  }
}
