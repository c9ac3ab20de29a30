/**
 * What a process holds after everything that can be collected was: the heap's live bytes, and what the system counts.
 *
 * PM1  What a collection frees goes back to the system a moment later, from a thread of its own: read at once, it would
 *      count as memory outside the heap.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../platform/clock.ts';

export type ProcessMemory = {
  /** Resident, as the operating system counts it. */
  readonly rss: number;
  /** Live JavaScript objects. */
  readonly heap: number;
  /** What the heap keeps ready besides: it grows while much is going on and is given back, or used again, later. */
  readonly slack: number;
  /** Memory that JavaScript objects stand for outside the heap: typed arrays, buffers. */
  readonly external: number;
};

const settleMs = 1_000;
setFlagsFromString('--expose_gc');
const collect = runInNewContext('gc') as () => void;

export async function measureMemory(clock: Clock): Promise<ProcessMemory> {
  // What the first leaves to finalisers, the second finds.
  collect();
  await clock.sleep(settleMs);
  collect();
  await clock.sleep(settleMs);
  const { rss, heapUsed: heap, heapTotal, external } = process.memoryUsage();
  return { rss, heap, slack: heapTotal - heap, external };
}
