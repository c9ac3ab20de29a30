/** How the posts scenario finds lost, doubled and disordered posts in the acknowledgements. */
import { describe, expect, it } from 'vitest';
import { ChannelLedger } from '../../../bench/channel-ledger.ts';

describe('ChannelLedger', () => {
  it('accepts posts that were in flight together in any order', () => {
    const ledger = new ChannelLedger('C1');
    expect(ledger.acknowledge(5, 1, 0)).toBeUndefined();
    expect(ledger.acknowledge(4, 2, 0)).toBeUndefined();
    expect(ledger.acknowledge(6, 3, 5)).toBeUndefined();
    expect(ledger.check()).toEqual([]);
    expect(ledger.entries()).toEqual([
      [4, 2],
      [5, 1],
      [6, 3],
    ]);
  });

  it('finds a seq given twice', () => {
    const ledger = new ChannelLedger('C1');
    ledger.acknowledge(5, 1, 0);
    expect(ledger.acknowledge(5, 2, 0)).toContain('two posts');
  });

  it('finds a post that was ordered before one acknowledged earlier', () => {
    const ledger = new ChannelLedger('C1');
    ledger.acknowledge(5, 1, 0);
    expect(ledger.acknowledge(4, 2, ledger.highestSeq)).toContain('after 5');
  });

  it('finds a seq that no post got', () => {
    const ledger = new ChannelLedger('C1');
    ledger.acknowledge(5, 1, 0);
    ledger.acknowledge(7, 2, 5);
    expect(ledger.check()).toEqual(['C1: 2 posts acknowledged over 3 seqs']);
  });
});
