/**
 * What a scenario of `belfry bench` is, and what it measures: the seam between the scenarios and the harness.
 *
 * N1  A scenario opens once (servers, users, connections), runs as often as asked, and closes. close() leaves nothing
 *     behind, also after a run that failed or was interrupted.
 * N2  A measurement names whose it is (`belfry`, a peer, `ratio`), what it is and its unit; the same one has the same
 *     names in every run, so that repeats can be put together.
 * N3  A run that lost, doubled or disordered a message says so in `failures`; its figures then do not count.
 * N4  What took time is measured by measureStretch (stretch.ts), one Side each for belfry and every peer, and comes back
 *     as `stretches` (recordOf). Notes and failures that follow from those (client-bound, disturbed, a process that ended)
 *     are the harness's business, not the scenario's.
 *
 * A new scenario: `defineScenario({ name, summary, options, open })` in a file of its own, a line in cli.ts, its load in a
 * file that calls serveLoad (load-server.ts) and is driven through a LoadGroup. fanout.ts is the one to copy.
 */
import type { Command } from 'commander';
import type { Clock } from '../platform/clock.ts';
import { readOptions, type OptionTable, type OptionValues } from '../platform/config.ts';
import type { Rng } from '../platform/rng.ts';
import type { Machines } from './machines.ts';
import { measureDefaults, type MeasureDefaults } from './bench-options.ts';
import type { Progress } from './progress.ts';
import type { Target } from './servers.ts';
import type { StretchRecord } from './stretch-record.ts';
import type { Align } from './table.ts';

export type Goal = { readonly atLeast: number } | { readonly atMost: number };

export type Measurement = {
  /** Whose figure it is (N2). */
  readonly subject: string;
  readonly name: string;
  /** Shown after the figure: `/s`, `us`, `ms`, `x`; empty for a plain count. */
  readonly unit: string;
  readonly value: number;
  readonly goal?: Goal;
  /** The run bought the value with more latency than such a figure may cost: whatever it is, it meets no goal. */
  readonly bought?: boolean;
};

export type RunResult = {
  readonly measurements: readonly Measurement[];
  /** What was wrong with the messages (N3); empty when every one came once and in order. */
  readonly failures: readonly string[];
  /** What a reader must know to judge the figures: what was full, what was left out. */
  readonly notes: readonly string[];
  /** What the figures were taken from (N4); in the same order in every run. */
  readonly stretches: readonly StretchRecord[];
  /** Further tables, below the figures: profiles. */
  readonly details?: readonly Detail[];
};

export type Detail = {
  readonly title: string;
  readonly heads: readonly string[];
  readonly aligns: readonly Align[];
  readonly rows: readonly (readonly string[])[];
};

export type RunContext = {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly progress: Progress;
  /** Aborts on Ctrl-C: whatever waits, gives up. */
  readonly signal: AbortSignal;
  /** How long one side is measured in one run. */
  readonly seconds: number;
  /** Where CPU profiles of the servers go; undefined: none are taken. */
  readonly profileFolder: string | undefined;
  /** Loopback addresses that every load process connects from (load-socket.ts). */
  readonly sourceAddresses: number;
  /** Further machines that take their part of the load; undefined: none. */
  readonly machines: Machines | undefined;
  /** The deployment to load; undefined: servers of our own. openServers (servers.ts) knows the difference. */
  readonly target: Target | undefined;
};

export type Session = {
  run(): Promise<RunResult>;
  close(): Promise<void>;
};

export type Scenario = {
  readonly name: string;
  readonly summary: string;
  readonly options: OptionTable;
  /** True where only servers of its own will do, since it kills them or measures parts of them. */
  readonly ownServers: boolean;
  /** What `--seconds` and `--runs` are when they are not given. */
  readonly defaults: MeasureDefaults;
  /** Reads the scenario's own flags. @throws UsageError */
  bind(command: Command): BoundScenario;
};

export type BoundScenario = {
  /** Every flag's value, for the result; no secrets among them. */
  readonly options: Readonly<Record<string, unknown>>;
  open(context: RunContext): Promise<Session>;
};

export function defineScenario<const Table extends OptionTable>(spec: {
  readonly name: string;
  readonly summary: string;
  readonly options: Table;
  readonly ownServers?: boolean;
  readonly defaults?: MeasureDefaults;
  readonly open: (context: RunContext, options: OptionValues<Table>) => Promise<Session>;
}): Scenario {
  const { name, summary, options, ownServers = false, defaults = measureDefaults, open } = spec;
  return {
    name,
    summary,
    options,
    ownServers,
    defaults,
    bind(command) {
      const values = readOptions(command, options);
      return { options: publicValues(options, values), open: (context) => open(context, values) };
    },
  };
}

/** What is opened and then prepared: closed again when that fails (N1). */
export async function prepared<Opened extends { prepare(): Promise<void>; close(): Promise<void> }>(
  opened: Opened,
): Promise<Opened> {
  try {
    await opened.prepare();
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** @throws Error when a scenario's warm-up had failures: nothing that it measured would count (N3). */
export function checkWarmUp({ name }: Pick<Scenario, 'name'>, [first]: readonly string[]): void {
  if (first !== undefined) throw new Error(`${name}: FAILED while warming up: ${first}`);
}

/** What of the options may stand in a result: no secrets, and nothing that was not given. */
function publicValues(table: OptionTable, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const shown = Object.entries(values).filter(([key, value]) => table[key]?.secret !== true && value !== undefined);
  return Object.fromEntries(shown);
}
