/**
 * CPU and memory of known processes over a stretch of time, as the operating system counts them; from /proc, so only
 * of processes on this machine.
 *
 * U1  A process that ends in between makes its figure too small: gone() names it, and the run has failed.
 * U2  Memory is the highest resident size of all samples; a peak between two samples is not seen.
 * U3  Where processes are replaced on purpose, a process and its successors count as one. What one used between the last
 *     sample and its end is not counted.
 */
import { cpuSecondsOf, residentBytesOf } from './process-stat.ts';

export type RoleProcess = {
  readonly role: string;
  readonly pid: number;
  /** The same for a process and for the one that is started in its place. */
  readonly id?: string;
};
export type CpuByRole = ReadonlyMap<string, number>;

/** What one process used; and those before it, where they were replaced. */
export type ProcessUse = { readonly role: string; readonly cpuSeconds: number; readonly residentBytes: number };

type Watched = { process: RoleProcess; readonly fromSeconds: number; toSeconds: number; residentBytes: number };

export class ProcessMeter {
  readonly #processes: readonly RoleProcess[];
  readonly #successors: (() => readonly RoleProcess[]) | undefined;
  readonly #watched = new Map<number, Watched>();

  /** `successors`: those that run now, where processes are replaced on purpose (U3). */
  constructor(processes: readonly RoleProcess[], successors?: () => readonly RoleProcess[]) {
    this.#processes = processes;
    this.#successors = successors;
  }

  start(): void {
    for (const process of this.#processes) this.#watch(process, cpuSecondsOf(process.pid) ?? 0);
    this.#look();
  }

  /** Looks at the memory (U2), and at who runs (U3). */
  sample(): void {
    // One that is new has used nothing before.
    for (const process of this.#successors?.() ?? []) this.#watch(process, 0);
    this.#look();
  }

  /** Since start(), one for each process and its successors. */
  stop(): ProcessUse[] {
    this.sample();
    const uses = new Map<string | number, ProcessUse>();
    for (const { process, fromSeconds, toSeconds, residentBytes } of this.#watched.values()) {
      const { role, pid, id = pid } = process;
      const before = uses.get(id) ?? { cpuSeconds: 0, residentBytes: 0 };
      const cpuSeconds = before.cpuSeconds + toSeconds - fromSeconds;
      uses.set(id, { role, cpuSeconds, residentBytes: Math.max(before.residentBytes, residentBytes) });
    }
    return [...uses.values()];
  }

  /** The processes that are gone (U1). */
  gone(): RoleProcess[] {
    if (this.#successors !== undefined) return [];
    return this.#processes.filter(({ pid }) => cpuSecondsOf(pid) === undefined);
  }

  /** A process that was not yet listed when it was first seen gets its role later. */
  #watch(process: RoleProcess, fromSeconds: number): void {
    const known = this.#watched.get(process.pid);
    if (known !== undefined) known.process = process;
    else this.#watched.set(process.pid, { process, fromSeconds, toSeconds: fromSeconds, residentBytes: 0 });
  }

  #look(): void {
    for (const [pid, watched] of this.#watched) {
      watched.toSeconds = cpuSecondsOf(pid) ?? watched.toSeconds;
      watched.residentBytes = Math.max(watched.residentBytes, residentBytesOf(pid) ?? 0);
    }
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
