/** `npm run simulate -- --seeds N --seed S [--kind actors|cluster]`: more seeds than the tests try, or one in full. */
import { parseArgs } from 'node:util';
import { runActorHistory } from './actor-histories.ts';
import { SimulationFailure } from './sim-history.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string', default: 'actors' },
    print: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const count = Number(values.seeds);
const run = runActorHistory;
const startedMs = performance.now();
let failures = 0;
let fired = 0;
for (let seed = first; seed < first + count; seed += 1) {
  try {
    const world = await run({ seed });
    fired += world.clock.fired;
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
process.exitCode = failures > 0 ? 1 : 0;
