/**
 * How much of the machine was used while something was measured, by us and by others: all CPU time that was not ours.
 * Figures taken beside somebody else's compiler are not figures.
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

/** CPU seconds since boot; only differences count. */
export type MachineCpu = {
  /** Of this process, its descendants and `known`. */
  readonly ownSeconds: number;
  readonly othersSeconds: number;
};

export function readMachineCpu(known: readonly number[]): MachineCpu {
  const own = new Set([...processTree(process.pid), ...known]);
  const ownSeconds = [...own].reduce((sum, pid) => sum + familySecondsOf(pid), 0);
  return { ownSeconds, othersSeconds: parseBusySeconds(readFileSync('/proc/stat', 'utf8')) - ownSeconds };
}
