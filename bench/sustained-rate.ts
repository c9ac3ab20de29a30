/**
 * The highest rate that a side sustains: every message on every socket, once and in order, with a p99 latency within the
 * bound that a saturated figure must keep. It is sought in short trials, up from a rate that anything sustains.
 *
 * H1  A rate that fails is tried once more: on a shared machine one bad second says nothing.
 * H2  At the edge itself a queue grows so slowly that a trial does not see it, but a run does: the rate is 0.85 of
 *     what the trials find.
 */
import type { Delivered } from './fanout-checks.ts';
import { LatencyHistogram } from './histogram.ts';

/** A figure bought with more latency than this does not count. */
export const saturatedP99MsMax = 50;
const lowestRate = 50;

const halvings = 3;
const headroom = 0.85;

/** Messages a second; `most` where that is sustained, and never less than `lowestRate`. */
export async function sustainedRate(most: number, deliver: (rate: number) => Promise<Delivered>): Promise<number> {
  const sustained = async (rate: number) => isSustained(await deliver(rate)) || isSustained(await deliver(rate));
  let good = Math.min(lowestRate, most);
  let bad = Infinity;
  while (good < most && bad === Infinity) {
    const next = Math.min(good * 2, most);
    if (await sustained(next)) good = next;
    else bad = next;
  }
  if (good === most) return most;
  for (let step = 0; step < halvings; step += 1) {
    const middle = Math.round((good + bad) / 2);
    if (await sustained(middle)) good = middle;
    else bad = middle;
  }
  return Math.max(Math.min(lowestRate, most), Math.round(good * headroom));
}

function isSustained({ reports, failures }: Delivered): boolean {
  const { p99Ms } = LatencyHistogram.merged(reports.map(({ latency }) => latency)).percentiles();
  return failures.length === 0 && p99Ms <= saturatedP99MsMax;
}
