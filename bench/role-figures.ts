/** What the servers of a measured stretch used, role by role, as figures. */
import type { Measurement } from './scenario.ts';
import type { StretchRecord } from './stretch-record.ts';

export const bytesPerMib = 1_048_576;

/** CPU, and the highest resident size of each process; both summed by role. */
export function roleFigures({ subject, processes, seconds }: StretchRecord): Measurement[] {
  const roles = new Map<string, { cpuSeconds: number; bytes: number }>();
  for (const { role, cpuSeconds, residentBytes } of processes) {
    const sum = roles.get(role) ?? { cpuSeconds: 0, bytes: 0 };
    roles.set(role, { cpuSeconds: sum.cpuSeconds + cpuSeconds, bytes: sum.bytes + residentBytes });
  }
  return [...roles].flatMap(([role, { cpuSeconds, bytes }]) => [
    { subject, name: `CPU of ${role}`, unit: 'cores', value: cpuSeconds / seconds },
    { subject, name: `memory of ${role}`, unit: 'MiB', value: bytes / bytesPerMib },
  ]);
}
