import { describe, expect, it } from 'vitest';
import { decideSlot, type SlotPhase } from '../../../cluster/slot-decision.ts';
import type { SlotRow } from '../../../protocol/cluster.ts';
import type { Incarnation } from '../../../protocol/ids.ts';

const ME = 'me' as Incarnation;
const OTHER = 'other' as Incarnation;
const row = (owner: Incarnation | undefined, rest: Partial<SlotRow> = {}): SlotRow => ({
  owner,
  epoch: 5,
  state: 'stable',
  from: undefined,
  fence: false,
  ...rest,
});
const mine = row(ME);
const coming = row(ME, { state: 'handoff', from: OTHER });
const going = row(OTHER, { state: 'handoff', from: ME });
const foreign = row(OTHER);
const absent: SlotPhase = { kind: 'absent' };
const phase = (kind: 'preparing' | 'serving' | 'releasing' | 'released', epoch: number): SlotPhase => ({ kind, epoch });

describe('what a worker does about a slot', () => {
  it.each<[string, SlotPhase, SlotRow, string]>([
    ['opens what is its own', absent, mine, 'open'],
    ['opens what it prepared when the table says so', phase('preparing', 5), mine, 'open'],
    ['goes on serving under the same epoch', phase('serving', 5), mine, 'none'],
    ['reopens under a higher epoch', phase('serving', 4), mine, 'reopen'],
    ['lets a release end before it takes the slot back', phase('releasing', 4), mine, 'none'],
    ['takes back what it released', phase('released', 4), mine, 'open'],
    ['prepares for a slot that is on its way', absent, coming, 'prepare'],
    ['prepares again under a newer epoch', phase('preparing', 4), coming, 'prepare'],
    ['prepares once', phase('preparing', 5), coming, 'none'],
    ['keeps serving what was released to it', phase('serving', 5), coming, 'none'],
    ['drops what somebody else owned in between', phase('serving', 3), coming, 'drop'],
    ['releases what it serves', phase('serving', 4), going, 'release'],
    ['concedes what it never opened', absent, going, 'concede'],
    ['concedes what it only prepared', phase('preparing', 4), going, 'concede'],
    ['releases once', phase('releasing', 5), going, 'none'],
    ['says a newer owner that it has nothing left', phase('released', 3), going, 'concede'],
    ['does nothing about a slot that it has nothing to do with', absent, foreign, 'none'],
    ['drops what was taken from it', phase('serving', 4), foreign, 'drop'],
    ['drops what was finished without it', phase('releasing', 5), foreign, 'drop'],
    ['forgets what it released', phase('released', 5), foreign, 'drop'],
    ['drops what nobody owns', phase('serving', 4), row(undefined), 'drop'],
  ])('%s', (_, before, now, step) => {
    expect(decideSlot(before, now, ME)).toBe(step);
  });
});
