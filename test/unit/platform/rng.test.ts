import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRng, systemRng } from '../../../platform/rng.ts';
import type { Rng } from '../../../platform/rng.ts';

const bounds = fc.integer({ min: 1, max: 2 ** 32 });

describe.each<[string, () => Rng]>([
  ['systemRng', () => systemRng],
  ['SeededRng', () => new SeededRng(1)],
])('%s', (_, make) => {
  it('keeps integers below their bound and floats below one', () => {
    const rng = make();
    fc.assert(
      fc.property(bounds, (bound) => {
        const value = rng.int(bound);
        expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true);
        const float = rng.float();
        expect(float >= 0 && float < 1).toBe(true);
      }),
    );
  });

  it('gives as many bytes as asked for', () => {
    expect([make().bytes(0).length, make().bytes(20).length]).toEqual([0, 20]);
  });

  it('reaches every value of a small bound about equally often', () => {
    const rng = make();
    const counts = [0, 0, 0];
    for (let draw = 0; draw < 9_000; draw += 1) counts[rng.int(3)]! += 1;
    for (const count of counts) expect(Math.abs(count - 3_000)).toBeLessThan(400);
  });

  it('refuses bounds and counts that make no sense', () => {
    for (const bound of [0, -1, 1.5, 2 ** 32 + 1]) expect(() => make().int(bound)).toThrow();
    for (const count of [-1, 0.5, 65_537]) expect(() => make().bytes(count)).toThrow();
  });
});

describe('SeededRng', () => {
  it('repeats itself for the same seed and differs for another', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 2 }), (seed) => {
        const draw = (from: number): number[] => {
          const rng = new SeededRng(from);
          return [rng.int(1_000_000), rng.float(), ...rng.bytes(8)];
        };
        expect(draw(seed)).toEqual(draw(seed));
        expect(draw(seed)).not.toEqual(draw(seed + 1));
      }),
    );
  });

  it('keeps its sequence across releases, since failed simulations are named by their seed', () => {
    const rng = new SeededRng(42);
    expect([rng.int(1_000), rng.int(1_000), rng.int(1_000)]).toEqual([956, 290, 704]);
  });
});
