/**
 * `npm run simulate -- --seeds N --seed S [--kind KIND]`: more seeds than the tests try, of every kind of history. The
 * first one that fails is printed in full, with the command that shows it again. Ends with 1 when one failed, with 2 when
 * it was asked for something that is not there.
 */
import { runActorHistory } from './actor-histories.ts';
import { mendDedupe } from './broken-dedupe.ts';
import { runClusterHistory } from './cluster-histories.ts';
import { runOverloadHistory } from './overload-histories.ts';
import { runPauseHistory } from './pause-histories.ts';
import { SimulationFailure } from './sim-history.ts';
import type { SimOptions, SimWorld } from './sim-world.ts';
import { commandFor, readFlags, usage, type HistoryKind, type SimulateFlags } from './simulate-flags.ts';

const runs: Readonly<Record<HistoryKind, (options: SimOptions) => Promise<SimWorld>>> = {
  actors: runActorHistory,
  cluster: runClusterHistory,
  overload: runOverloadHistory,
  pause: runPauseHistory,
};

interface Tally {
  failures: number;
  fired: number;
  /** What happened in how many histories. */
  readonly seen: Map<string, number>;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Undefined: it passed. */
async function failureOf(kind: HistoryKind, seed: number, flags: SimulateFlags, tally: Tally) {
  const mutations = flags.mutation === undefined ? {} : { [flags.mutation]: true };
  try {
    const { clock, history } = await runs[kind]({ seed, mutations });
    tally.fired += clock.fired;
    for (const event of history.counts.keys()) tally.seen.set(event, (tally.seen.get(event) ?? 0) + 1);
    if (flags.print) say(history.print());
    return undefined;
  } catch (error) {
    if (error instanceof SimulationFailure) return error.message;
    throw error;
  } finally {
    mendDedupe();
  }
}

async function simulate(kind: HistoryKind, flags: SimulateFlags): Promise<number> {
  const tally: Tally = { failures: 0, fired: 0, seen: new Map() };
  const startedMs = performance.now();
  for (let seed = flags.seed; seed < flags.seed + flags.seeds; seed += 1) {
    const failure = await failureOf(kind, seed, flags, tally);
    if (failure === undefined) continue;
    tally.failures += 1;
    const isFirst = tally.failures === 1;
    say(`${kind} ${isFirst || flags.print ? failure : (failure.split('\n')[0] ?? '')}`);
    if (isFirst) say(`again: ${commandFor(kind, seed, flags.mutation)}`);
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  const rate = `${(flags.seeds / seconds).toFixed(0)} seeds/s, ${(tally.fired / flags.seeds).toFixed(0)} timers a seed`;
  say(`${kind}: ${flags.seeds} seeds, ${tally.failures} failed, ${rate}`);
  const common = [...tally.seen].sort((a, b) => b[1] - a[1]).map(([event, count]) => `${event} ${count}`);
  say(common.join(', '));
  return tally.failures;
}

const read = readFlags(process.argv.slice(2));
if (read.kind === 'wrong') {
  process.stderr.write(`${read.line} (${usage})\n`);
  process.exitCode = 2;
} else {
  let failures = 0;
  for (const kind of read.flags.kinds) failures += await simulate(kind, read.flags);
  process.exitCode = failures > 0 ? 1 : 0;
}
