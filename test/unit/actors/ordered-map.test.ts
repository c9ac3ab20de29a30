import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OrderedMap } from '../../../actors/ordered-map.ts';

const key = fc.integer({ min: 0, max: 60 }).map((n) => `U${String(n).padStart(3, '0')}`);
const change = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), key, value: fc.nat() }),
  fc.record({ kind: fc.constant('delete' as const), key }),
);

test('it holds what a plain map holds, in the order of the keys, whatever the block size', () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 200, size: 'max' }),
      fc.integer({ min: 2, max: 9 }),
      (changes, blockMax) => {
        const map = new OrderedMap<string, number>(blockMax);
        const model = new Map<string, number>();
        for (const one of changes) {
          if (one.kind === 'set') {
            expect(map.set(one.key, one.value)).toBe(!model.has(one.key));
            model.set(one.key, one.value);
          } else {
            expect(map.delete(one.key)).toBe(model.delete(one.key));
          }
        }
        const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
        expect([...map.entries()]).toEqual(sorted);
        expect(map.size).toBe(model.size);
        for (const { keys } of map.blocks) expect(keys.length).toBeLessThanOrEqual(blockMax);
      },
    ),
  );
});

test('pages joined together are all keys once, from any page size', () => {
  fc.assert(
    fc.property(fc.uniqueArray(key), fc.integer({ min: 1, max: 10 }), (keys, limit) => {
      const map = new OrderedMap<string, 1>(4);
      for (const one of keys) map.set(one, 1);
      const seen: string[] = [];
      for (let page = map.page(undefined, limit); page.length > 0; page = map.page(seen.at(-1), limit)) {
        expect(page.length).toBeLessThanOrEqual(limit);
        seen.push(...page);
      }
      expect(seen).toEqual([...keys].sort());
    }),
  );
});

test('a page goes on after a key that has left', () => {
  const map = new OrderedMap<string, 1>(2);
  for (const one of ['a', 'b', 'c', 'd', 'e']) map.set(one, 1);
  map.delete('c');
  expect(map.page('c', 2)).toEqual(['d', 'e']);
});

test('only the blocks that changed are marked', () => {
  const map = new OrderedMap<string, 1>(2);
  for (const one of ['a', 'b', 'c', 'd', 'e', 'f']) map.set(one, 1);
  for (const block of map.blocks) block.dirty = false;
  map.delete('f');
  expect(map.blocks.filter((block) => block.dirty).map((block) => block.from)).toEqual([map.blocks.at(-1)?.from]);
});
