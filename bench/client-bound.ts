/**
 * Whether the load itself was what limited a figure. The rule, which the report states with the note:
 *
 * B1  A load process that used 0.85 of a core had no room left: Node runs JavaScript on one.
 * B2  A load process whose event loop was late by 10 ms or more (p99) and by at least half of the measured p99 latency
 *     measured itself.
 * B3  Servers and load that together used 0.95 of all cores waited for each other: such latencies are the machine's.
 */
import { formatNumber } from './table.ts';
import type { ClientUse } from './self-meter.ts';

const boundCores = 0.85;
const lateMs = 10;
const lateShare = 0.5;
const fullShare = 0.95;

/** What to tell the reader; undefined when the load had room to spare. `p99Ms`: of the latencies, where there are any. */
export function clientBoundNote(
  subject: string,
  clients: readonly ClientUse[],
  p99Ms: number | undefined,
): string | undefined {
  const cores = Math.max(0, ...clients.map((client) => client.cores));
  const lagMs = Math.max(0, ...clients.map((client) => client.lagP99Ms));
  const advice = `try --load-procs ${clients.length + 1}, or more machines`;
  if (cores >= boundCores) {
    return `${subject}: client-bound: a load process used ${formatNumber(cores)} of a core (bound from ${boundCores} on); ${advice}`;
  }
  if (p99Ms !== undefined && lagMs >= lateMs && lagMs >= p99Ms * lateShare) {
    return `${subject}: client-bound: a load process was late by ${formatNumber(lagMs)} ms itself (p99; bound from half of the latency's p99 on); ${advice}`;
  }
  return undefined;
}

/** B3 */
export function fullMachineNote(subject: string, ownCores: number, cores: number): string | undefined {
  if (ownCores < cores * fullShare) return undefined;
  const used = `servers and load used ${formatNumber(ownCores)} of ${cores} cores`;
  return `${subject}: machine full: ${used} (full from ${fullShare} of them on); its latencies are the machine's`;
}
