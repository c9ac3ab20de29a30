/**
 * How long a fault kept the channels that it touched from accepting posts, from recorded posts alone. Pure.
 *
 * Y1  A fault that names the channels it touched is measured on those; one of the broker, on all that were posted to. Of
 *     gateways and webapps no channel is known to be touched: they own none.
 * Y2  A channel's recovery is the time from the fault's begin to the first acknowledgement of a post that was sent after
 *     it. A fault that begins before another has ended shares its time.
 */
import type { PostRecord } from '../support/history-checks.ts';
import type { Fault } from './recorder.ts';

/** Promised are 1 s and 2 s (G7); this is for a machine whose two cores run the cluster, its load and its clients. */
const recoveryMsMax = 5_000;
/** With the broker gone its restart comes on top, or an election of 4 to 9 s. */
const brokerRecoveryMsMax = 15_000;
/** A fault's effects may reach into the next one's time. */
const aftermathMs = 3_000;

const isBroker = ({ what }: Fault) => /\bnats-/.test(what);

/** In milliseconds, one for each channel that was touched; undefined: not known which were. */
export function recoveries(fault: Fault, posts: readonly PostRecord[]): ReadonlyMap<string, number> | undefined {
  const { channels, atMs } = fault;
  if (channels === undefined && !isBroker(fault)) return undefined;
  const first = new Map<string, number>();
  for (const { channel, sentMs, acked } of posts) {
    if (sentMs < atMs || (channels !== undefined && !channels.has(channel))) continue;
    const tookMs = (acked?.atMs ?? Infinity) - atMs;
    first.set(channel, Math.min(tookMs, first.get(channel) ?? Infinity));
  }
  return first;
}

export function checkRecovery(faults: readonly Fault[], posts: readonly PostRecord[]): string[] {
  return faults.flatMap((fault) => {
    const isShared = faults.some((other) => isBroker(other) && overlap(fault, other));
    const boundMs = isShared ? brokerRecoveryMsMax : recoveryMsMax;
    return [...(recoveries(fault, posts) ?? [])]
      .filter(([, tookMs]) => tookMs > boundMs)
      .map(([channel, tookMs]) => `${channel}: nothing was accepted for ${Math.round(tookMs)} ms after ${fault.what}`);
  });
}

function overlap(one: Fault, other: Fault): boolean {
  const isBefore = (a: Fault, b: Fault) => (a.untilMs ?? Infinity) + aftermathMs < b.atMs;
  return !isBefore(one, other) && !isBefore(other, one);
}
