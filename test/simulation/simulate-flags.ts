/** What `npm run simulate` is asked for. Wrong input is one clear line, never a run of something else. */
import { parseArgs } from 'node:util';
import { oneOf, wholeNumber } from '../support/run-flags.ts';
import { mutationKinds, type MutationKind } from './sim-faults.ts';

export const historyKinds = ['actors', 'cluster', 'pause', 'overload'] as const;
export type HistoryKind = (typeof historyKinds)[number];

export interface SimulateFlags {
  readonly seeds: number;
  readonly seed: number;
  readonly kinds: readonly HistoryKind[];
  /** Shows histories that pass, too. */
  readonly print: boolean;
  readonly mutation: MutationKind | undefined;
}

export type ReadFlags =
  | { readonly kind: 'ok'; readonly flags: SimulateFlags }
  | { readonly kind: 'wrong'; readonly line: string };

export const usage = 'npm run simulate -- [--seeds N] [--seed S] [--kind KIND] [--mutation NAME] [--print]';

const options = {
  seeds: { type: 'string', default: '1000' },
  seed: { type: 'string', default: '1' },
  /** Absent: each seed of every kind. */
  kind: { type: 'string' },
  print: { type: 'boolean', default: false },
  /** A protection to break (sim-faults.ts): the checkers ought to find it. */
  mutation: { type: 'string' },
} as const;

export function readFlags(args: readonly string[]): ReadFlags {
  try {
    const { seeds, seed, kind, print, mutation } = parseArgs({ args: [...args], options }).values;
    const flags: SimulateFlags = {
      ...{ seeds: wholeNumber('seeds', seeds, 1), seed: wholeNumber('seed', seed, 0), print },
      kinds: kind === undefined ? historyKinds : [oneOf('kind', kind, historyKinds)],
      mutation: mutation === undefined ? undefined : oneOf('mutation', mutation, mutationNames()),
    };
    return { kind: 'ok', flags };
  } catch (error) {
    return { kind: 'wrong', line: (error as Error).message.split('\n')[0] ?? '' };
  }
}

/** The command that shows one history again. */
export function commandFor(kind: HistoryKind, seed: number, mutation: MutationKind | undefined): string {
  const broken = mutation === undefined ? '' : ` --mutation ${mutation}`;
  return `npm run simulate -- --kind ${kind} --seeds 1 --seed ${seed}${broken}`;
}

const mutationNames = (): readonly MutationKind[] => Object.keys(mutationKinds) as MutationKind[];
