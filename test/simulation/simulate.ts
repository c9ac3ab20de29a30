/** `npm run simulate -- --seeds N --seed S [--kind actors|cluster]`: more seeds than the tests try, or one in full. */
import { parseArgs } from 'node:util';
import { runActorHistory } from './actor-histories.ts';
import { runClusterHistory } from './cluster-histories.ts';
import { SimulationFailure } from './sim-history.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string', default: 'actors' },
    print: { type: 'boolean', default: false },
    /** A protection to break (sim-faults.ts): the checkers ought to find it. */
    mutation: { type: 'string' },
  },
});
const mutations = values.mutation === undefined ? {} : { [values.mutation]: true };
const first = Number(values.seed);
const count = Number(values.seeds);
const run = values.kind === 'cluster' ? runClusterHistory : runActorHistory;
const startedMs = performance.now();
let failures = 0;
let fired = 0;
/** What happened in how many histories. */
const seen = new Map<string, number>();
for (let seed = first; seed < first + count; seed += 1) {
  try {
    const world = await run({ seed, mutations });
    fired += world.clock.fired;
    for (const event of world.history.counts.keys()) seen.set(event, (seen.get(event) ?? 0) + 1);
    if (values.print) process.stdout.write(`${world.history.print()}\n`);
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    failures += 1;
    process.stdout.write(`${values.print || count === 1 ? error.message : error.message.split('\n')[0]}\n`);
  }
}
const seconds = (performance.now() - startedMs) / 1_000;
process.stdout.write(
  `${count} seeds, ${failures} failed, ${(count / seconds).toFixed(0)} seeds/s, ${(fired / count).toFixed(0)} timers a seed\n`,
);
const common = [...seen].sort((a, b) => b[1] - a[1]).map(([event, histories]) => `${event} ${histories}`);
process.stdout.write(`${common.join(', ')}\n`);
process.exitCode = failures > 0 ? 1 : 0;
