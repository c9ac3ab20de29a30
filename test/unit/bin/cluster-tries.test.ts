/** Servers that do not find together are started anew, and not for ever. */
import { describe, expect, it } from 'vitest';
import { clusterTries } from '../../../bin/cluster-tries.ts';

/** Of a cluster that comes up at the given start. */
function clusterThat(comesUpAt: number, over = new AbortController()) {
  const story: string[] = [];
  let starts = 0;
  const start = async () => {
    starts += 1;
    story.push(`start ${starts}`);
    if (starts < comesUpAt) throw new Error(`failure ${starts}`);
    return starts;
  };
  const discard = async (why: string) => void story.push(`discard: ${why}`);
  return { story, over, run: (tries: number) => clusterTries({ tries, over: over.signal, start, discard }) };
}

describe('servers that have to find together', () => {
  it('are started once where that is enough', async () => {
    const { run, story } = clusterThat(1);
    expect(await run(3)).toBe(1);
    expect(story).toEqual(['start 1']);
  });

  it('are thrown away and started again when they did not', async () => {
    const { run, story } = clusterThat(3);
    expect(await run(3)).toBe(3);
    expect(story).toEqual(['start 1', 'discard: failure 1', 'start 2', 'discard: failure 2', 'start 3']);
  });

  it('are given up after so many tries, with the last reason; what runs then is left to who ends the rest', async () => {
    const { run, story } = clusterThat(9);
    await expect(run(2)).rejects.toThrow('failure 2');
    expect(story).toEqual(['start 1', 'discard: failure 1', 'start 2']);
  });

  it('are not started again when the whole is about to end', async () => {
    const { run, story, over } = clusterThat(2);
    over.abort();
    await expect(run(3)).rejects.toThrow('failure 1');
    expect(story).toEqual(['start 1']);
  });
});
