import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTs, parseTs } from '../../../protocol/timestamp.ts';

const micros = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

test('a timestamp survives its string form, and strings sort as times do', () => {
  const modern = fc.integer({ min: 1_000_000_000_000_000, max: 8_999_999_999_999_999 });
  fc.assert(
    fc.property(micros, (ts) => {
      expect(parseTs(formatTs(ts))).toBe(ts);
    }),
  );
  fc.assert(
    fc.property(modern, modern, (a, b) => {
      expect(formatTs(a) < formatTs(b)).toBe(a < b);
    }),
  );
});

test('short fractions and whole seconds are read as people write them', () => {
  expect(parseTs('1700000000')).toBe(1_700_000_000_000_000);
  expect(parseTs('1700000000.5')).toBe(1_700_000_000_500_000);
  expect(parseTs(1700000000.25)).toBe(1_700_000_000_250_000);
});

test('what is no timestamp is undefined', () => {
  for (const bad of ['', 'now', '-1', '1.2.3', '1e9', '1700000000.1234567', '17000000000', Number.NaN, -1, null, {}]) {
    expect(parseTs(bad)).toBeUndefined();
  }
});
