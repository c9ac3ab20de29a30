/**
 * CPU time (user and system, all threads) and memory of processes as the operating system counts them; from /proc, so
 * Linux only.
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
const reapedTimeFields = [16, 17];
const firstFieldAfterName = 3;

export type ProcessStat = {
  readonly parent: number;
  readonly cpuSeconds: number;
  /** What children used that have ended, and theirs. */
  readonly reapedSeconds: number;
};

export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (position: number) => Number(fields[position - firstFieldAfterName]);
  const seconds = (positions: readonly number[]) => positions.reduce((sum, at) => sum + field(at), 0) / ticksPerSecond;
  return {
    parent: field(parentField),
    cpuSeconds: seconds([userTimeField, systemTimeField]),
    reapedSeconds: seconds(reapedTimeFields),
  };
}

/** CPU seconds of one process so far; undefined when it is gone. */
export function cpuSecondsOf(pid: number): number | undefined {
  return statOf(pid)?.cpuSeconds;
}

/** The same with what children used that have ended: what a whole tree of processes used is the sum of these. */
export function familySecondsOf(pid: number): number {
  const { cpuSeconds = 0, reapedSeconds = 0 } = statOf(pid) ?? {};
  return cpuSeconds + reapedSeconds;
}

/** Bytes of memory of one process that are in RAM now; undefined when it is gone. */
export function residentBytesOf(pid: number): number | undefined {
  try {
    return parseResident(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Of /proc/PID/status. A process that is ending has no such line. */
export function parseResident(text: string): number | undefined {
  const kibibytes = /^VmRSS:\s*(\d+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1_024;
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
