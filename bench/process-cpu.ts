/**
 * CPU time of processes as the operating system counts it, user and system, all threads; from /proc, so Linux only.
 *
 * Times come in ticks of 10 ms: good for differences over a second or more, not for less.
 */
import { readFileSync, readdirSync } from 'node:fs';

/** USER_HZ is 100 on every Linux that Node runs on, whatever the kernel's own tick. */
export const ticksPerSecond = 100;
/** Fields of /proc/PID/stat, counted from 1; the name in brackets may hold spaces, so counting starts behind it. */
const parentField = 4;
const userTimeField = 14;
const systemTimeField = 15;
const firstFieldAfterName = 3;

export type ProcessStat = { readonly parent: number; readonly cpuSeconds: number };

export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (position: number) => Number(fields[position - firstFieldAfterName]);
  return { parent: field(parentField), cpuSeconds: (field(userTimeField) + field(systemTimeField)) / ticksPerSecond };
}

/** CPU seconds of one process so far; undefined when it is gone. */
export function cpuSecondsOf(pid: number): number | undefined {
  return statOf(pid)?.cpuSeconds;
}

/** The process and all its descendants that live now. */
export function processTree(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (stat !== undefined) parents.set(Number(name), stat.parent);
  }
  return [...parents.keys()].filter((pid) => descends(pid, root, parents));
}

function descends(pid: number, root: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at)) {
    if (at === root) return true;
  }
  return false;
}

function statOf(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    // Ended between the listing and the reading.
    return undefined;
  }
}
