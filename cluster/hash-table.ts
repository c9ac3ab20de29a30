/**
 * Who shall own which slot: weighted rendezvous hashing, applied stickily. Pure.
 *
 * Invariants:
 * A1  A slot moves only if its owner is gone or draining, or if a worker would else stay below its floor or above its
 *     cap. No plan with fewer moves reaches the same bounds.
 * A2  Afterwards every worker that takes slots holds between floor and ceil of its exact share (mean x weight), so that
 *     max/mean is at most 1.01 from 100 slots a worker on.
 * A3  The same input gives the same moves, whatever the order of the workers: two managers plan alike.
 */
import type { Incarnation } from '../protocol/ids.ts';

export interface Candidate {
  readonly incarnation: Incarnation;
  /** What the hash sees: the node's id, so that a node which returns gets its old slots where it can. */
  readonly key: string;
  /** Share relative to the others; 0 takes none. */
  readonly weight: number;
  /** Its failure domain. Shown, and kept for placing copies; one owner a slot leaves nothing to spread. */
  readonly zone: string;
  /** False: it keeps what it has and takes no more (its clock is off). */
  readonly takes: boolean;
  /** True: all it has shall go to others. */
  readonly draining: boolean;
}

export interface Move {
  readonly slot: number;
  /** Undefined: nobody owned it. */
  readonly from: Incarnation | undefined;
  readonly to: Incarnation;
}

interface Target {
  readonly incarnation: Incarnation;
  readonly seed: number;
  readonly weight: number;
  readonly floor: number;
  readonly cap: number;
  count: number;
}

/** The moves that bring `owners` (by slot) into balance over `workers`. An owner that is not among them is gone. */
export function assign(owners: readonly (Incarnation | undefined)[], workers: readonly Candidate[]): readonly Move[] {
  const keepers = new Map(workers.filter((worker) => !worker.draining).map((worker) => [worker.incarnation, worker]));
  const targets = makeTargets(owners, workers);
  if (targets.length === 0) return [];
  const byName = new Map(targets.map((target) => [target.incarnation, target]));
  const current = owners.map((owner) => (owner !== undefined && keepers.has(owner) ? owner : undefined));
  for (const owner of current) if (owner !== undefined) addTo(byName.get(owner), 1);
  placeOrphans(current, targets);
  level(current, targets, byName);
  return difference(owners, current);
}

/** A number in (0, 1) for each (slot, worker); the winner of a slot is the worker with the largest score. */
function score(slot: number, target: Target): number {
  let mixed = Math.imul(slot + 1, 0x9e3779b1) ^ target.seed;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  const uniform = (((mixed ^ (mixed >>> 16)) >>> 0) + 0.5) / 2 ** 32;
  return -target.weight / Math.log(uniform);
}

function seedOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash;
}

/** Those who take slots, in the order of their names (A3), with the bounds of their shares. */
function makeTargets(owners: readonly (Incarnation | undefined)[], workers: readonly Candidate[]): Target[] {
  const takers = workers.filter((worker) => worker.takes && !worker.draining && worker.weight > 0);
  const bystanders = new Set(workers.filter((worker) => !worker.takes && !worker.draining).map((w) => w.incarnation));
  const kept = owners.filter((owner) => owner !== undefined && bystanders.has(owner)).length;
  const weights = takers.reduce((sum, worker) => sum + worker.weight, 0);
  return takers
    .map(({ incarnation, key, weight }) => {
      const share = ((owners.length - kept) * weight) / weights;
      return { incarnation, seed: seedOf(key), weight, floor: Math.floor(share), cap: Math.ceil(share), count: 0 };
    })
    .toSorted((a, b) => (a.incarnation < b.incarnation ? -1 : 1));
}

/** First up to the floors, then up to the caps: so no orphan's place makes another move necessary (A1). */
function placeOrphans(current: (Incarnation | undefined)[], targets: readonly Target[]): void {
  let below = targets.filter((target) => target.count < target.floor);
  let open = targets.filter((target) => target.count < target.cap);
  for (const [slot, owner] of current.entries()) {
    if (owner !== undefined) continue;
    const winner = best(slot, below.length > 0 ? below : open.length > 0 ? open : targets);
    current[slot] = winner.incarnation;
    winner.count += 1;
    if (winner.count >= winner.floor) below = below.filter((target) => target !== winner);
    if (winner.count >= winner.cap) open = open.filter((target) => target !== winner);
  }
}

function best(slot: number, targets: readonly Target[]): Target {
  let winner = targets[0] as Target;
  let highest = -1;
  for (const target of targets) {
    const value = score(slot, target);
    if (value > highest) [winner, highest] = [target, value];
  }
  return winner;
}

/** Pulls those below their floor up, then empties those above their cap into whoever has room. */
function level(
  current: (Incarnation | undefined)[],
  targets: readonly Target[],
  byName: ReadonlyMap<Incarnation, Target>,
): void {
  for (const receiver of targets) {
    if (receiver.count < receiver.floor) pull(current, receiver, receiver.floor, byName);
  }
  for (const receiver of targets) {
    if (!targets.some((target) => target.count > target.cap)) return;
    if (receiver.count < receiver.cap) pull(current, receiver, receiver.cap, byName, true);
  }
}

/** Takes the slots that score best for the receiver: from those above their cap, then from those above their floor. */
function pull(
  current: (Incarnation | undefined)[],
  receiver: Target,
  upTo: number,
  byName: ReadonlyMap<Incarnation, Target>,
  onlyAboveCap = false,
): void {
  const wanted = rank(current, receiver);
  const takeFrom = (bound: (donor: Target) => number): void => {
    for (const slot of wanted) {
      if (receiver.count >= upTo) return;
      const owner = current[slot];
      const donor = owner === undefined ? undefined : byName.get(owner);
      if (donor === undefined || donor === receiver || donor.count <= bound(donor)) continue;
      current[slot] = receiver.incarnation;
      donor.count -= 1;
      receiver.count += 1;
    }
  };
  takeFrom((donor) => donor.cap);
  if (!onlyAboveCap) takeFrom((donor) => donor.floor);
}

function rank(current: readonly unknown[], receiver: Target): number[] {
  const scores = Float64Array.from(current, (_, slot) => score(slot, receiver));
  return Array.from(current, (_, slot) => slot).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b);
}

function difference(
  before: readonly (Incarnation | undefined)[],
  after: readonly (Incarnation | undefined)[],
): readonly Move[] {
  const moves: Move[] = [];
  for (const [slot, to] of after.entries()) {
    if (to !== undefined && to !== before[slot]) moves.push({ slot, from: before[slot], to });
  }
  return moves;
}

function addTo(target: Target | undefined, count: number): void {
  if (target !== undefined) target.count += count;
}
