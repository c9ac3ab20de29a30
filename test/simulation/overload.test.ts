/** Seeds of overload histories: bursts at small buffers, which all keep their limits (G8). */
import { describe, expect, it } from 'vitest';
import { runOverloadHistory } from './overload-histories.ts';

const SEEDS = 12;

describe('a cluster with small buffers', () => {
  it('fills them all, and neither exceeds one nor loses anything', async () => {
    const full = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const { history } = await runOverloadHistory({ seed });
      for (const event of history.counts.keys()) full.add(event);
    }
    expect(full).toContain('mailbox-full');
    expect(full).toContain('handoff-buffer-full');
    expect(full).toContain('resync');
  }, 60_000);
});
