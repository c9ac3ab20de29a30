/** The parts of a made-up workspace that need no servers: power laws, plans, draws, books. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MembershipBook } from '../../../bench/membership-book.ts';
import { checkPosts, PostBook } from '../../../bench/post-book.ts';
import { powerLawSizes, powerLawWeights } from '../../../bench/power-law.ts';
import { WeightedDraw } from '../../../bench/weighted-draw.ts';
import { historyFault } from '../../../bench/workspace-actions.ts';
import { planMembers } from '../../../bench/workspace-plan.ts';
import { SeededRng } from '../../../platform/rng.ts';

describe('a power law', () => {
  it('divides the first share by the rank to the exponent', () => {
    expect(powerLawWeights(4, 1)).toEqual([1, 1 / 2, 1 / 3, 1 / 4]);
    expect(powerLawWeights(3, 0)).toEqual([1, 1, 1]);
    expect(powerLawSizes(5, 1, 100, 30)).toEqual([100, 50, 33, 30, 30]);
  });

  it('never makes a channel larger than the workspace', () => {
    expect(powerLawSizes(3, 1, 1, 2)).toEqual([1, 1, 1]);
  });
});

describe('WeightedDraw', () => {
  it('draws each as often as its weight says, and what has none never', () => {
    const draw = new WeightedDraw([3, 0, 1]);
    const rng = new SeededRng(1);
    const counts = [0, 0, 0];
    for (let at = 0; at < 10_000; at += 1) counts[draw.draw(rng)]! += 1;
    expect(counts[1]).toBe(0);
    expect(counts[0]! / counts[2]!).toBeGreaterThan(2.7);
    expect(counts[0]! / counts[2]!).toBeLessThan(3.3);
  });

  it('gives the index whose part of the sum the number falls into', () => {
    const draw = new WeightedDraw([1, 1, 2]);
    expect([0, 0.24, 0.25, 0.49, 0.5, 0.999].map((at) => draw.draw({ float: () => at }))).toEqual([0, 0, 1, 1, 2, 2]);
  });
});

describe('planMembers', () => {
  it('gives every channel its size in distinct users, its creator first, and the same for the same seed', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 });
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), sizes, (seed, users, wanted) => {
        const plan = planMembers(new SeededRng(seed), users, wanted);
        for (const [at, members] of plan.entries()) {
          expect(members).toHaveLength(Math.min(wanted[at]!, users));
          expect(new Set(members).size).toBe(members.length);
          expect(members[0]).toBe(at % users);
          expect(members.every((user) => user >= 0 && user < users)).toBe(true);
        }
        expect(planMembers(new SeededRng(seed), users, wanted)).toEqual(plan);
      }),
    );
  });
});

describe('MembershipBook', () => {
  const free = () => true;

  it('takes a user in once the API has answered and its socket has shown it, in either order', () => {
    for (const order of [['answered', 'shown'] as const, ['shown', 'answered'] as const]) {
      const book = new MembershipBook([[0]]);
      book.begin('join', 0, 1);
      book[order[0]](0, 1);
      expect(book.members(0)).toEqual([0]);
      expect([book.isBusy(1), book.canJoin(0, 1), book.underWay]).toEqual([true, false, 1]);
      book[order[1]](0, 1);
      expect(book.members(0)).toEqual([0, 1]);
      expect([book.isBusy(1), book.underWay]).toEqual([false, 0]);
    }
  });

  it('lets only those leave that joined, the first to join first, and uses them no more at once', () => {
    const book = new MembershipBook([[0]]);
    expect(book.nextLeaver(free)).toBeUndefined();
    for (const user of [1, 2]) join(book, user);
    expect(book.nextLeaver((user) => user !== 1)).toEqual({ channel: 0, user: 2 });
    expect(book.nextLeaver(free)).toEqual({ channel: 0, user: 1 });
    book.begin('leave', 0, 1);
    expect(book.members(0)).toEqual([0, 2]);
    expect(book.nextLeaver(free)).toEqual({ channel: 0, user: 2 });
  });

  it('uses nobody again where a lost connection left open what happened', () => {
    const book = new MembershipBook([[0], []]);
    book.begin('join', 0, 1);
    book.begin('join', 1, 1);
    book.answered(0, 1);
    book.abandon(1);
    expect([book.underWay, book.isBusy(1), book.isUnsure(0, 1), book.canJoin(1, 1)]).toEqual([0, false, true, false]);
    expect(book.canJoin(0, 2)).toBe(true);
  });

  function join(book: MembershipBook, user: number): void {
    book.begin('join', 0, user);
    book.answered(0, user);
    book.shown(0, user);
  }
});

describe('PostBook', () => {
  it('is content when what was acknowledged came, to sessions of any load process', () => {
    const [poster, other] = [new PostBook(), new PostBook()];
    expect(poster.acknowledge(['C1', 5, 100], 0)).toBeUndefined();
    expect(other.see('C1', 5, 100)).toBeUndefined();
    expect(other.see('C1', 5, 100)).toBeUndefined();
    expect(checkPosts([poster.report(), other.report()])).toEqual([]);
    expect(checkPosts([poster.report(), other.report()])).toEqual([]);
  });

  it.each([
    ['a post that never came', [['C1', 5, 100]], [], 'never came'],
    ['a post that nobody acknowledged', [], [['C1', 5, 100]], 'not acknowledged'],
    [
      'a post that came twice',
      [['C1', 5, 100]],
      [
        ['C1', 5, 100],
        ['C1', 6, 100],
      ],
      'not acknowledged',
    ],
    ['a post in the place of another', [['C1', 5, 100]], [['C1', 5, 101]], 'another post'],
    [
      'two acknowledgements of one post',
      [
        ['C1', 5, 1],
        ['C1', 6, 1],
      ],
      [
        ['C1', 5, 1],
        ['C1', 6, 1],
      ],
      'twice',
    ],
  ] as const)('calls %s a failure', (_, acknowledged, seen, words) => {
    const failures = checkPosts([
      { acknowledged, seen: [] },
      { acknowledged: [], seen },
    ]);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toContain(words);
  });

  it('calls a seq that is two posts a failure, in one process and between two', () => {
    const book = new PostBook();
    book.see('C1', 5, 100);
    expect(book.see('C1', 5, 101)).toContain('one post here, another there');
    const acknowledged = [['C1', 5, 100]] as const;
    const reports = [
      { acknowledged, seen: [['C1', 5, 101]] as const },
      { acknowledged: [], seen: [['C1', 5, 100]] as const },
    ];
    expect(checkPosts(reports)[0]).toContain('one post here, another there');
  });

  it('calls an acknowledgement below an earlier one a failure', () => {
    const book = new PostBook();
    book.acknowledge(['C1', 5, 100], 0);
    expect(book.floorOf('C1')).toBe(5);
    expect(book.acknowledge(['C1', 4, 101], book.floorOf('C1'))).toContain('after 5 had been acknowledged');
  });

  it('knows the highest seq of each channel from every source', () => {
    const book = new PostBook();
    book.note('C1', 3);
    book.acknowledge(['C2', 5, 1], 0);
    book.note('C2', 4);
    book.report();
    expect(book.tails()).toEqual({ C1: 3, C2: 5 });
  });
});

describe('historyFault', () => {
  const page = (...seqs: number[]) => ({
    status: 200,
    body: JSON.stringify({ messages: seqs.map((seq) => ({ seq })) }),
  });

  it('is content with a page that goes down from what was acknowledged, or something newer', () => {
    expect(historyFault('C1', page(9, 7, 4), 9)).toBeUndefined();
    expect(historyFault('C1', page(9, 7, 4), 8)).toBeUndefined();
    expect(historyFault('C1', page(), 0)).toBeUndefined();
  });

  it('calls a page out of order, or without what was acknowledged, a failure', () => {
    expect(historyFault('C1', page(9, 9), 0)).toContain('out of order');
    expect(historyFault('C1', page(7, 8), 0)).toContain('out of order');
    expect(historyFault('C1', page(8, 7), 9)).toContain('after 9 had been acknowledged');
  });
});
