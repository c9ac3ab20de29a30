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
