/** Two results side by side: ratios, and when a difference says something. */
import { describe, expect, it } from 'vitest';
import { compareFigures, compareText, verdictOf, type ComparedResult } from '../../../bench/report/compare.ts';
import { spreadOf } from '../../../bench/report/figures.ts';

const machine = { cores: 2, memoryGib: 23, platform: 'linux x64', node: '20.0.0' };

describe('verdictOf', () => {
  it.each([
    ['runs of A and B that lie among each other', [10, 12, 14], [11, 13, 15], 'within noise'],
    ['every run of B above every run of A', [10, 12, 14], [15, 16, 17], 'higher'],
    ['every run of B below every run of A', [10, 12, 14], [7, 8, 9.9], 'lower'],
    ['the same figures', [5, 5], [5, 5], 'equal'],
    ['a single run on one side', [10, 12, 14], [20], 'one run'],
  ])('of %s', (_, a, b, verdict) => {
    expect(verdictOf(figure(a), figure(b))).toBe(verdict);
  });
});

describe('the comparison', () => {
  it('gives B : A of the medians', () => {
    const [row] = compareFigures(result([10, 12, 14]), result([24, 25, 23]));
    expect(row).toMatchObject({ ratio: 2, verdict: 'higher' });
  });

  it('prints the ratio with its verdict and the rule behind it', () => {
    const text = compareText(result([10, 12, 14]), result([11, 13, 15]), ['a.json', 'b.json']);
    expect(text).toContain('A = a.json, B = b.json');
    expect(text).toMatch(/^belfry +posts +12 \(10-14\) +13 \(11-15\) +\/s +1\.083 +within noise$/m);
    expect(text).toContain('note: within noise: the ranges');
  });

  it('says what makes two results differ besides the code: machine, options, failures, figures of only one', () => {
    const other = { ...result([1, 2]), options: { seconds: 9 }, machine: { ...machine, cores: 8 }, failed: true };
    const extra = { ...figure([1, 2]), name: 'latency p99' };
    const text = compareText(result([1, 2]), { ...other, figures: [...other.figures, extra] }, ['a', 'b']);
    expect(text).toContain('note: machine cores differs: A 2, B 8');
    expect(text).toContain('note: option seconds differs: A 5, B 9');
    expect(text).toContain('note: B FAILED: its figures do not count');
    expect(text).toContain('note: only in B: belfry latency p99');
  });

  it('repeats what each result says of itself, once where both say it', () => {
    const [a, b] = [result([1, 2]), result([1, 2])];
    const notes = [
      ['belfry: client-bound', 'the same'],
      ['disturbed: 0.5 cores', 'the same'],
    ] as const;
    const text = compareText({ ...a, notes: notes[0] }, { ...b, notes: notes[1] }, ['a', 'b']);
    expect(text).toContain('note: A: belfry: client-bound\n');
    expect(text).toContain('note: B: disturbed: 0.5 cores\n');
    expect(text.match(/the same/g)).toHaveLength(1);
  });
});

function figure(values: readonly number[]) {
  return { subject: 'belfry', name: 'posts', unit: '/s', values, ...spreadOf(values) };
}

function result(values: readonly number[]): ComparedResult {
  return { scenario: 'posts', options: { seconds: 5 }, machine, failed: false, notes: [], figures: [figure(values)] };
}
