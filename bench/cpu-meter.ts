/**
 * CPU by role over a stretch of time: which process is of which role is known, the rest of the tree is `supervisor`.
 * A process that ends or restarts in between makes the figure wrong, so that is a failure, not a smaller number.
 */
import { cpuSecondsOf } from './process-cpu.ts';

export type RoleProcess = { readonly role: string; readonly pid: number };
export type CpuByRole = ReadonlyMap<string, number>;

export class CpuMeter {
  readonly #processes: readonly RoleProcess[];
  #from = new Map<number, number>();

  constructor(processes: readonly RoleProcess[]) {
    this.#processes = processes;
  }

  start(): void {
    this.#from = this.#read();
  }

  /** CPU seconds by role since start(). */
  stop(): CpuByRole {
    const to = this.#read();
    const byRole = new Map<string, number>();
    for (const { role, pid } of this.#processes) {
      const used = (to.get(pid) ?? 0) - (this.#from.get(pid) ?? 0);
      byRole.set(role, (byRole.get(role) ?? 0) + used);
    }
    return byRole;
  }

  /** The processes that are gone. */
  gone(): RoleProcess[] {
    return this.#processes.filter(({ pid }) => cpuSecondsOf(pid) === undefined);
  }

  #read(): Map<number, number> {
    return new Map(this.#processes.map(({ pid }) => [pid, cpuSecondsOf(pid) ?? 0]));
  }
}

/** The sum over the given roles, or over all. */
export function totalCpu(byRole: CpuByRole, roles?: readonly string[]): number {
  let total = 0;
  for (const [role, seconds] of byRole) if (roles === undefined || roles.includes(role)) total += seconds;
  return total;
}
