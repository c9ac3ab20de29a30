import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assign, type Candidate, type Move } from '../../../cluster/hash-table.ts';
import type { Incarnation } from '../../../protocol/ids.ts';

const SLOTS = 4_096;

function worker(name: string, rest: Partial<Candidate> = {}): Candidate {
  const incarnation = name as Incarnation;
  return { incarnation, key: name, weight: 1, zone: '', takes: true, draining: false, ...rest };
}

type Owners = (Incarnation | undefined)[];
function apply(owners: Owners, moves: readonly Move[]): Owners {
  const next = [...owners];
  for (const move of moves) {
    expect(next[move.slot]).toBe(move.from);
    next[move.slot] = move.to;
  }
  return next;
}
function counts(owners: Owners): Map<string, number> {
  const held = new Map<string, number>();
  for (const owner of owners) if (owner !== undefined) held.set(owner, (held.get(owner) ?? 0) + 1);
  return held;
}
const nobody = (slots: number): Owners => Array.from({ length: slots }, () => undefined);

function expectBalance(owners: Owners, workers: readonly Candidate[]): void {
  const takers = workers.filter((w) => w.takes && !w.draining && w.weight > 0);
  const weights = takers.reduce((sum, w) => sum + w.weight, 0);
  const held = counts(owners);
  for (const { incarnation, weight } of takers) {
    const share = (owners.length * weight) / weights;
    expect(held.get(incarnation) ?? 0).toBeGreaterThanOrEqual(Math.floor(share));
    expect(held.get(incarnation) ?? 0).toBeLessThanOrEqual(Math.ceil(share));
  }
}

/** The fewest moves that can bring everyone between floor and ceil. */
function fewestMoves(owners: Owners, workers: readonly Candidate[]): number {
  const weights = workers.reduce((sum, w) => sum + w.weight, 0);
  const held = counts(owners);
  const live = new Set<string>(workers.map((w) => w.incarnation));
  const orphans = owners.filter((owner) => owner === undefined || !live.has(owner)).length;
  let below = 0;
  let above = 0;
  for (const { incarnation, weight } of workers) {
    const share = (owners.length * weight) / weights;
    below += Math.max(0, Math.floor(share) - (held.get(incarnation) ?? 0));
    above += Math.max(0, (held.get(incarnation) ?? 0) - Math.ceil(share));
  }
  return Math.max(below, above + orphans);
}

function perZone(owners: Owners, workers: readonly Candidate[]): Map<string, number> {
  const held = counts(owners);
  const zones = new Map<string, number>();
  for (const { incarnation, zone } of workers) zones.set(zone, (zones.get(zone) ?? 0) + (held.get(incarnation) ?? 0));
  return zones;
}

function expectZoneBalance(owners: Owners, workers: readonly Candidate[]): void {
  const weights = workers.reduce((sum, w) => sum + w.weight, 0);
  for (const [zone, held] of perZone(owners, workers)) {
    const own = workers.filter((w) => w.zone === zone).reduce((sum, w) => sum + w.weight, 0);
    expect(Math.abs(held - (owners.length * own) / weights)).toBeLessThan(1);
  }
}

/** By trying every way to round: orphans, and whatever anybody has beyond its rounded share, must move. */
function fewestZoneMoves(owners: Owners, workers: readonly Candidate[]): number {
  const weights = workers.reduce((sum, w) => sum + w.weight, 0);
  const shares = workers.map(({ weight }) => (owners.length * weight) / weights);
  const held = workers.map(({ incarnation }) => counts(owners).get(incarnation) ?? 0);
  const orphans = owners.length - held.reduce((sum, count) => sum + count, 0);
  let fewest = Number.POSITIVE_INFINITY;
  for (let choice = 0; choice < 2 ** workers.length; choice += 1) {
    const goals = shares.map((share, i) => (choice & (1 << i) ? Math.ceil(share) : Math.floor(share)));
    if (goals.reduce((sum, goal) => sum + goal, 0) !== owners.length) continue;
    const isFair = [...new Set(workers.map(({ zone }) => zone))].every((zone) => {
      const off = workers.reduce((sum, w, i) => (w.zone === zone ? sum + goals[i]! - shares[i]! : sum), 0);
      return Math.abs(off) < 1 - 1e-9;
    });
    if (!isFair) continue;
    const surplus = held.reduce((sum, count, i) => sum + Math.max(0, count - goals[i]!), 0);
    fewest = Math.min(fewest, orphans + surplus);
  }
  return fewest;
}

describe('slot assignment', () => {
  it('keeps max/mean at 1.01 for 4,096 slots over 100 workers, where a ring of virtual nodes does not', () => {
    const workers = Array.from({ length: 100 }, (_, i) => worker(`w${i}`));
    const owners = apply(nobody(SLOTS), assign(nobody(SLOTS), workers));
    const most = Math.max(...counts(owners).values());
    expect(most / (SLOTS / 100)).toBeLessThanOrEqual(1.01);
  });

  it('balances, with the fewest moves possible, over any history of joins and leaves', () => {
    const step = fc.record({ join: fc.boolean(), pick: fc.nat(1_000), weight: fc.constantFrom(1, 1, 1, 2, 3, 0.5) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 512 }), fc.array(step, { minLength: 1, maxLength: 12 }), (slots, steps) => {
        let owners = nobody(slots);
        let workers: Candidate[] = [];
        steps.forEach(({ join, pick, weight }, i) => {
          workers =
            join || workers.length === 0
              ? [...workers, worker(`w${i}`, { weight })]
              : workers.filter((_, at) => at !== pick % workers.length);
          if (workers.length === 0) return;
          const moves = assign(owners, workers);
          expect(moves.length).toBe(fewestMoves(owners, workers));
          owners = apply(owners, moves);
          expectBalance(owners, workers);
          expect(assign(owners, workers)).toEqual([]);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('balances zones as it balances workers, and still with the fewest moves possible', () => {
    const step = fc.record({
      join: fc.boolean(),
      pick: fc.nat(1_000),
      weight: fc.constantFrom(1, 1, 2, 0.5),
      zone: fc.constantFrom('a', 'b', 'c'),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(step, { minLength: 1, maxLength: 8 }), (slots, steps) => {
        let owners = nobody(slots);
        let workers: Candidate[] = [];
        steps.forEach(({ join, pick, weight, zone }, i) => {
          workers =
            join || workers.length === 0
              ? [...workers, worker(`w${i}`, { weight, zone })]
              : workers.filter((_, at) => at !== pick % workers.length);
          if (workers.length === 0) return;
          const moves = assign(owners, workers);
          const changed = owners.filter((owner) => owner !== undefined).length > 0;
          if (changed) expect(moves.length).toBe(fewestZoneMoves(owners, workers));
          owners = apply(owners, moves);
          expectBalance(owners, workers);
          expectZoneBalance(owners, workers);
          expect(assign(owners, workers)).toEqual([]);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('spreads the loss of a zone over the others by their weights, and nothing else moves', () => {
    const zones = { a: 3, b: 3, c: 4 };
    const workers = Object.entries(zones).flatMap(([zone, count]) =>
      Array.from({ length: count }, (_, i) => worker(`${zone}${i}`, { zone })),
    );
    const owners = apply(nobody(SLOTS), assign(nobody(SLOTS), workers));
    expect(perZone(owners, workers)).toEqual(
      new Map([
        ['a', 1_229],
        ['b', 1_229],
        ['c', 1_638],
      ]),
    );
    const left = workers.filter(({ zone }) => zone !== 'c');
    const moves = assign(owners, left);
    expect(moves).toHaveLength(1_638);
    expect(perZone(apply(owners, moves), left)).toEqual(
      new Map([
        ['a', 2_048],
        ['b', 2_048],
      ]),
    );
  });

  it('does not depend on the order in which workers are listed', () => {
    const workers = ['a', 'b', 'c', 'd'].map((name) => worker(name));
    expect(assign(nobody(SLOTS), workers)).toEqual(assign(nobody(SLOTS), workers.toReversed()));
  });

  it('moves everything away from a draining worker and nothing else', () => {
    const two = [worker('a'), worker('b')];
    const owners = apply(nobody(SLOTS), assign(nobody(SLOTS), two));
    const moves = assign(owners, [worker('a', { draining: true }), worker('b')]);
    expect(moves).toHaveLength(SLOTS / 2);
    expect(moves.every((move) => move.from === 'a' && move.to === 'b')).toBe(true);
  });

  it('gives nothing to a worker whose clock is off, and leaves it what it has', () => {
    const two = [worker('a'), worker('b')];
    const owners = apply(nobody(SLOTS), assign(nobody(SLOTS), two));
    const after = apply(owners, assign(owners, [worker('a', { takes: false }), worker('b'), worker('c')]));
    expect(counts(after)).toEqual(
      new Map([
        ['a', 2_048],
        ['b', 1_024],
        ['c', 1_024],
      ]),
    );
  });

  it('gives a worker of double weight double the slots, and one of weight zero none', () => {
    const owners = apply(
      nobody(SLOTS),
      assign(nobody(SLOTS), [worker('a', { weight: 2 }), worker('b'), worker('z', { weight: 0 })]),
    );
    expect([2_730, 2_731]).toContain(counts(owners).get('a'));
    expect(counts(owners).get('z')).toBeUndefined();
  });

  it('leaves slots without an owner while no worker takes any', () => {
    expect(assign(nobody(8), [])).toEqual([]);
    expect(assign(nobody(8), [worker('a', { draining: true })])).toEqual([]);
  });

  it('gives a node that returns under a new incarnation mostly the slots it had', () => {
    const names = ['a', 'b', 'c', 'd'];
    const before = apply(
      nobody(SLOTS),
      assign(
        nobody(SLOTS),
        names.map((name) => worker(name)),
      ),
    );
    const again = apply(
      nobody(SLOTS),
      assign(
        nobody(SLOTS),
        names.map((name) => worker(`${name}-2`, { key: name })),
      ),
    );
    const same = before.filter((owner, slot) => `${owner}-2` === again[slot]).length;
    expect(same).toBe(SLOTS);
  });
});
