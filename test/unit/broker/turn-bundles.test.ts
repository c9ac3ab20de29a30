import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TurnBundles } from '../../../broker/turn-bundles.ts';
import { ManualClock } from '../../../platform/clock.ts';

const BYTES_MAX = 100;

function setUp() {
  const clock = new ManualClock();
  const sent: { to: string; items: readonly number[] }[] = [];
  const bundles = new TurnBundles<number>({
    clock,
    bytesMax: BYTES_MAX,
    send: (to, items) => sent.push({ to, items }),
  });
  return { clock, sent, bundles };
}

describe('bundles of a turn', () => {
  it('leave at its end, one to each destination', () => {
    const { clock, sent, bundles } = setUp();
    for (const [to, item] of [['a', 1] as const, ['b', 2] as const, ['a', 3] as const]) bundles.add(to, item, 10);
    expect(sent).toEqual([]);
    clock.advance(0);
    expect(sent).toEqual([
      { to: 'a', items: [1, 3] },
      { to: 'b', items: [2] },
    ]);
    bundles.add('a', 4, 10);
    bundles.flush();
    clock.advance(0);
    expect(sent.slice(2)).toEqual([{ to: 'a', items: [4] }]);
  });

  it('keep the order of each destination and stay within their size, but for what is larger by itself', () => {
    const item = fc.record({
      to: fc.constantFrom('a', 'b', 'c'),
      bytes: fc.nat(2 * BYTES_MAX),
      turnEnds: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 60 }), (items) => {
        const { clock, sent, bundles } = setUp();
        for (const [at, { to, bytes, turnEnds }] of items.entries()) {
          bundles.add(to, at, bytes);
          if (turnEnds) clock.advance(0);
        }
        clock.advance(0);
        for (const to of ['a', 'b', 'c']) {
          const given = [...items.keys()].filter((at) => items[at]?.to === to);
          expect(sent.filter((bundle) => bundle.to === to).flatMap((bundle) => bundle.items)).toEqual(given);
        }
        for (const bundle of sent) {
          const bytes = bundle.items.reduce((sum, at) => sum + (items[at]?.bytes ?? 0), 0);
          expect(bundle.items.length === 1 || bytes <= BYTES_MAX).toBe(true);
        }
      }),
    );
  });
});
