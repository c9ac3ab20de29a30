import { expect, test } from 'vitest';
import { sparkline } from '../../../bench/sparkline.ts';

test('a row of bars shows nothing as blank, a little as the lowest, and what is usual or more as full', () => {
  expect(sparkline([0, 0.1, 25, 50, 100, 300], 50)).toBe(' ▁▄███');
  expect(sparkline([0, 1], 0)).toBe('  ');
});
