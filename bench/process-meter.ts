/**
 * CPU and memory of known processes over a stretch of time, as the operating system counts them; from /proc, so only
 * of processes on this machine.
 *
 * U1  A process that ends in between makes its figure too small: gone() names it, and the run has failed.
 * U2  Memory is the highest resident size of all samples; a peak between two samples is not seen.
 */
import { cpuSecondsOf, residentBytesOf } from './process-stat.ts';

export type RoleProcess = { readonly role: string; readonly pid: number };
export type CpuByRole = ReadonlyMap<string, number>;

/** What one process used. */
export type ProcessUse = { readonly role: string; readonly cpuSeconds: number; readonly residentBytes: number };

export class ProcessMeter {
  readonly #processes: readonly RoleProcess[];
  readonly #resident = new Map<number, number>();
  #from = new Map<number, number>();

  constructor(processes: readonly RoleProcess[]) {
    this.#processes = processes;
  }

  start(): void {
    this.sample();
    this.#from = this.#readCpu();
  }

  /** Looks at the memory (U2). */
  sample(): void {
    for (const { pid } of this.#processes) {
      this.#resident.set(pid, Math.max(this.#resident.get(pid) ?? 0, residentBytesOf(pid) ?? 0));
    }
  }

  /** Since start(), one for each process. */
  stop(): ProcessUse[] {
    const to = this.#readCpu();
    this.sample();
    return this.#processes.map(({ role, pid }) => ({
      role,
      cpuSeconds: (to.get(pid) ?? 0) - (this.#from.get(pid) ?? 0),
      residentBytes: this.#resident.get(pid) ?? 0,
    }));
  }

  /** The processes that are gone (U1). */
  gone(): RoleProcess[] {
    return this.#processes.filter(({ pid }) => cpuSecondsOf(pid) === undefined);
  }

  #readCpu(): Map<number, number> {
    return new Map(this.#processes.map(({ pid }) => [pid, cpuSecondsOf(pid) ?? 0]));
  }
}

export function cpuByRole(uses: readonly ProcessUse[]): CpuByRole {
  const byRole = new Map<string, number>();
  for (const { role, cpuSeconds } of uses) byRole.set(role, (byRole.get(role) ?? 0) + cpuSeconds);
  return byRole;
}

/** The sum over the given roles, or over all; NaN where no process is known. */
export function totalCpu(byRole: CpuByRole, roles?: readonly string[]): number {
  if (byRole.size === 0) return Number.NaN;
  let total = 0;
  for (const [role, seconds] of byRole) if (roles === undefined || roles.includes(role)) total += seconds;
  return total;
}
