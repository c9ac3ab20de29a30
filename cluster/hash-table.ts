/**
 * Who shall own which slot: weighted rendezvous hashing, applied stickily. Pure.
 *
 * First how many slots each worker shall have (its goal), then which. Goals leave nobody a choice but that of rounding:
 * the exact share of a worker, and that of its zone, is rounded down or up, and up where that spares a move. So the loss
 * of a zone takes its exact share of the slots with it, and what is left of each other zone takes its part of them.
 *
 * Invariants:
 * A1  A slot moves only if its owner is gone or draining, or has more than its goal. No plan with fewer moves reaches
 *     the bounds of A2.
 * A2  Afterwards every worker that takes slots holds between floor and ceil of its exact share (mean x weight), so that
 *     max/mean is at most 1.01 from 100 slots a worker on; and so does every zone, of the sum of its workers' shares.
 * A3  The same input gives the same moves, whatever the order of the workers: two managers plan alike.
 */
import type { Incarnation } from '../protocol/ids.ts';

export interface Candidate {
  readonly incarnation: Incarnation;
  /** What the hash sees: the node's id, so that a node which returns gets its old slots where it can. */
  readonly key: string;
  /** Share relative to the others; 0 takes none. */
  readonly weight: number;
  /** Its failure domain (A2). Workers that name none are one zone together. */
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
  readonly zone: string;
  readonly seed: number;
  readonly weight: number;
  readonly share: number;
  /** What it shall have in the end. */
  goal: number;
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
  setGoals(targets);
  placeOrphans(current, targets);
  for (const receiver of targets) pull(current, receiver, byName);
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

/** Those who take slots, in the order of their names (A3). */
function makeTargets(owners: readonly (Incarnation | undefined)[], workers: readonly Candidate[]): Target[] {
  const takers = workers.filter((worker) => worker.takes && !worker.draining && worker.weight > 0);
  const bystanders = new Set(workers.filter((worker) => !worker.takes && !worker.draining).map((w) => w.incarnation));
  const isKept = (owner: Incarnation | undefined): boolean => owner !== undefined && bystanders.has(owner);
  const kept = bystanders.size === 0 ? 0 : owners.filter(isKept).length;
  const weights = takers.reduce((sum, worker) => sum + worker.weight, 0);
  return takers
    .map(({ incarnation, key, weight, zone }) => {
      const share = ((owners.length - kept) * weight) / weights;
      return { incarnation, zone, seed: seedOf(key), weight, share, goal: floorOf(share), count: 0 };
    })
    .toSorted((a, b) => (a.incarnation < b.incarnation ? -1 : 1));
}

/**
 * Gives out what the workers' floors leave, one slot to a worker at most: first each zone up to its own floor, then the
 * rest to different zones. Those who have that slot already come first, which makes the moves fewest: the bounds are
 * nested, and of nested bounds the greedy choice is the best one.
 */
function setGoals(targets: readonly Target[]): void {
  const total = Math.round(targets.reduce((sum, { share }) => sum + share, 0));
  let left = total - targets.reduce((sum, { goal }) => sum + goal, 0);
  const zones = [...groupByZone(targets).values()].map(rankForExtra);
  const openZones: Target[][] = [];
  for (const zone of zones) {
    const share = zone.all.reduce((sum, one) => sum + one.share, 0);
    const due = floorOf(share) - zone.all.reduce((sum, { goal }) => sum + goal, 0);
    const extras = zone.ranked.splice(0, Math.max(0, Math.min(due, left)));
    for (const target of extras) target.goal += 1;
    left -= extras.length;
    if (share - floorOf(share) > ROUNDING) openZones.push(zone.ranked);
  }
  const firsts = openZones.flatMap(([first]) => first ?? []).sort(byExtra);
  for (const target of firsts.slice(0, left)) target.goal += 1;
}

/** Sums of fractions are a little off. */
const ROUNDING = 1e-6;
const floorOf = (share: number): number => Math.floor(share + ROUNDING);

function groupByZone(targets: readonly Target[]): ReadonlyMap<string, Target[]> {
  const zones = new Map<string, Target[]>();
  for (const target of targets) {
    const zone = zones.get(target.zone);
    if (zone === undefined) zones.set(target.zone, [target]);
    else zone.push(target);
  }
  return zones;
}

/** Those of a zone whose share is rounded, in the order in which they are rounded up. */
function rankForExtra(zone: readonly Target[]): { readonly all: readonly Target[]; readonly ranked: Target[] } {
  return { all: zone, ranked: zone.filter(({ share, goal }) => share - goal > ROUNDING).sort(byExtra) };
}

/** Who has more than its floor keeps it; else by name (A3). */
function byExtra(a: Target, b: Target): number {
  const spares = Number(b.count > b.goal) - Number(a.count > a.goal);
  return spares !== 0 ? spares : a.incarnation < b.incarnation ? -1 : 1;
}

function placeOrphans(current: (Incarnation | undefined)[], targets: readonly Target[]): void {
  let below = targets.filter((target) => target.count < target.goal);
  for (let slot = 0; slot < current.length; slot += 1) {
    if (current[slot] !== undefined) continue;
    const winner = best(slot, below.length > 0 ? below : targets);
    current[slot] = winner.incarnation;
    winner.count += 1;
    if (winner.count >= winner.goal) below = below.filter((target) => target !== winner);
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

/** Takes the slots that score best for the receiver from those who have more than their goal. */
function pull(current: (Incarnation | undefined)[], receiver: Target, byName: ReadonlyMap<Incarnation, Target>): void {
  if (receiver.count >= receiver.goal) return;
  for (const slot of rank(current, receiver)) {
    if (receiver.count >= receiver.goal) return;
    const owner = current[slot];
    const donor = owner === undefined ? undefined : byName.get(owner);
    if (donor === undefined || donor.count <= donor.goal) continue;
    current[slot] = receiver.incarnation;
    donor.count -= 1;
    receiver.count += 1;
  }
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
  for (let slot = 0; slot < after.length; slot += 1) {
    const to = after[slot];
    if (to !== undefined && to !== before[slot]) moves.push({ slot, from: before[slot], to });
  }
  return moves;
}

function addTo(target: Target | undefined, count: number): void {
  if (target !== undefined) target.count += count;
}
