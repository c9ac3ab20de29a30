/**
 * Whether a batch is missing: what a gateway has seen of each worker's two series of numbers, that of its own batches (B1
 * in protocol/batches.ts) and that of the region's (B3 in protocol/region-batches.ts).
 *
 * Q1  A hole in either makes the gateway ask the worker for what its slots' streams hold beyond their cursors.
 * Q2  Region batches may begin before the worker says from where on they count: what was seen is kept as an interval.
 */
import type { Batch, RegionSpan } from '../protocol/batches.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { renewSlot } from './gateway-slots.ts';
import type { Turn, WorkerNumbers } from './gateway-state.ts';

export type SlotsOf = (worker: Incarnation) => readonly number[];

/** B1: numbers are dense; a beat repeats the last one. */
export function checkBatch(turn: Turn, { worker, number, entries, region }: Batch, slotsOf: SlotsOf): void {
  const seen = numbersOf(turn, worker);
  const isMissing = number > seen.number + (entries.length > 0 ? 1 : 0);
  seen.number = Math.max(seen.number, number);
  const isRegionMissing = region !== undefined && !sawRegion(seen, region);
  if (isMissing || isRegionMissing) askAgain(turn, worker, slotsOf);
}

/** B3: numbers are dense. */
export function checkRegionBatch(turn: Turn, worker: Incarnation, number: number, slotsOf: SlotsOf): void {
  const seen = numbersOf(turn, worker);
  const isMissing = seen.region !== undefined && number > seen.region.to + 1;
  if (seen.region === undefined) seen.region = { from: number - 1, to: number };
  else seen.region.to = Math.max(seen.region.to, number);
  if (isMissing) askAgain(turn, worker, slotsOf);
}

/** Q2. False: not all that counts came. */
function sawRegion(seen: WorkerNumbers, { from, to }: RegionSpan): boolean {
  const before = seen.region ?? { from, to: from };
  seen.region = { from: Math.min(before.from, from), to: Math.max(before.to, to) };
  return before.from <= from && before.to >= to;
}

function numbersOf({ state, nowMs }: Turn, worker: Incarnation): WorkerNumbers {
  const known = state.workers.get(worker);
  if (known !== undefined) {
    known.seenMs = nowMs;
    return known;
  }
  const fresh: WorkerNumbers = { number: 0, region: undefined, seenMs: nowMs };
  state.workers.set(worker, fresh);
  return fresh;
}

function askAgain(turn: Turn, worker: Incarnation, slotsOf: SlotsOf): void {
  const { state } = turn;
  state.counts.holes += 1;
  for (const number of slotsOf(worker)) {
    const slot = state.slots.get(number);
    if (slot !== undefined) renewSlot(turn, slot);
  }
}
