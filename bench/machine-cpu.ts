/**
 * How much of the machine others used while something was measured: all CPU time that was not ours. Figures taken
 * beside somebody else's compiler are not figures.
 */
import { readFileSync } from 'node:fs';
import { familySecondsOf, processTree, ticksPerSecond } from './process-stat.ts';

/** Fields of /proc/stat's first line behind `cpu`: user, nice, system, idle, iowait, irq, softirq, steal. */
const idleFields = new Set([3, 4]);
const fieldCount = 8;

export function parseBusySeconds(text: string): number {
  const fields = (text.split('\n')[0] ?? '')
    .trim()
    .split(/\s+/)
    .slice(1, 1 + fieldCount)
    .map(Number);
  return fields.reduce((sum, ticks, at) => (idleFields.has(at) ? sum : sum + ticks), 0) / ticksPerSecond;
}

/** CPU seconds of everything but this process, its descendants and `known`, since boot; only differences count. */
export function othersCpuSeconds(known: readonly number[]): number {
  const ours = [...new Set([...processTree(process.pid), ...known])].reduce(
    (sum, pid) => sum + familySecondsOf(pid),
    0,
  );
  return parseBusySeconds(readFileSync('/proc/stat', 'utf8')) - ours;
}
