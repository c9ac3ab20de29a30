/** What is asked of the simulation is run, or refused: never something else in its place. */
import { describe, expect, it } from 'vitest';
import { commandFor, historyKinds, readFlags } from './simulate-flags.ts';

describe('npm run simulate', () => {
  it('tries every kind of history unless one is named', () => {
    expect(readFlags([])).toMatchObject({ kind: 'ok', flags: { seeds: 1_000, seed: 1, kinds: historyKinds } });
    expect(readFlags(['--kind', 'cluster'])).toMatchObject({ kind: 'ok', flags: { kinds: ['cluster'] } });
  });

  it.each([
    [['--seeds', 'many'], /--seeds many: a whole number from 1 up/],
    [['--seeds', '0'], /--seeds 0/],
    [['--seeds', ''], /--seeds : a whole/],
    [['--seed', '1.5'], /--seed 1.5: a whole number from 0 up/],
    [['--seed=-3'], /--seed -3/],
    [['--kind', 'actor'], /--kind actor: one of actors, cluster/],
    [['--mutation', 'cassOff'], /--mutation cassOff: one of casOff, evictionWaitOff/],
    [['--mutation', 'toString'], /--mutation toString/],
    [['--speed', '9'], /--speed/],
    [['77'], /77/],
  ])('refuses %j in one line', (args, line) => {
    const read = readFlags(args);
    expect(read).toMatchObject({ kind: 'wrong', line: expect.stringMatching(line) as string });
    expect(read.kind === 'wrong' && read.line).not.toContain('\n');
  });

  it('names a command that it reads as the same history', () => {
    const args = commandFor('cluster', 77, 'casOff').split(' -- ')[1]?.split(' ') ?? [];
    const flags = { seeds: 1, seed: 77, kinds: ['cluster'], mutation: 'casOff' };
    expect(readFlags(args)).toMatchObject({ kind: 'ok', flags });
  });
});
