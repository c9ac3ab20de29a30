/** What the servers of a measured stretch used, role by role, as figures. */
import type { Measurement } from './scenario.ts';
import type { Stretch } from './stretch.ts';

const bytesPerMib = 1_048_576;

export function coresByRole({ subject, cpu, seconds }: Pick<Stretch<unknown>, 'subject' | 'cpu' | 'seconds'>) {
  return [...cpu].map(([role, used]): Measurement => {
    return { subject, name: `CPU of ${role}`, unit: 'cores', value: used / seconds };
  });
}

/** The highest resident size of each process, summed by role. */
export function memoryByRole({ subject, processes }: Pick<Stretch<unknown>, 'subject' | 'processes'>): Measurement[] {
  const roles = new Map<string, number>();
  for (const { role, residentBytes } of processes) roles.set(role, (roles.get(role) ?? 0) + residentBytes);
  return [...roles].map(([role, bytes]) => {
    return { subject, name: `memory of ${role}`, unit: 'MiB', value: bytes / bytesPerMib };
  });
}
