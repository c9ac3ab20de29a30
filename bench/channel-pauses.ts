/**
 * How long a channel waited at a fault, told from its acknowledgements afterwards. They come on a fixed schedule
 * (failover-poster.ts), so a pause is seen to within a post's period.
 *
 * L1  A channel is back with the first acknowledgement of something that was decided after the fault: an answer of the
 *     dead owner that was still on its way does not count.
 * L2  A pause is the longest that any post took, from when it was due, of those under way or due while the slots moved.
 *     A channel where no post was due in that time, or none was acknowledged, has no pause: nobody knows it.
 */
import type { Acknowledged } from './failover-poster.ts';

export type ChannelPause = {
  readonly longestMs: number;
  readonly posts: number;
  /** Answers that said "try again" to those posts. */
  readonly refusals: number;
};

/** L1. In milliseconds from `fromUs`; undefined: not yet. */
export function backAfterMs(acks: readonly Acknowledged[], fromUs: number, decidedFromMs: number): number | undefined {
  let first: Acknowledged | undefined;
  for (const ack of newestFirst(acks, fromUs)) if (ack.decidedMs > decidedFromMs) first = ack;
  return first === undefined ? undefined : (first.atUs - fromUs) / 1_000;
}

/** L2. Only once every post that was due before `toUs` is acknowledged. */
export function pauseOf(acks: readonly Acknowledged[], fromUs: number, toUs: number): ChannelPause | undefined {
  const during = [...newestFirst(acks, fromUs)].filter(({ dueUs }) => dueUs < toUs);
  if (!during.some(({ dueUs }) => dueUs >= fromUs)) return undefined;
  return {
    longestMs: Math.max(...during.map(({ atUs, dueUs }) => atUs - dueUs)) / 1_000,
    posts: during.length,
    refusals: during.reduce((sum, { refusals }) => sum + refusals, 0),
  };
}

/** Those that came at `fromUs` or later. */
function* newestFirst(acks: readonly Acknowledged[], fromUs: number): Generator<Acknowledged> {
  for (let at = acks.length - 1; at >= 0; at -= 1) {
    const ack = acks[at];
    if (ack === undefined || ack.atUs < fromUs) return;
    yield ack;
  }
}
