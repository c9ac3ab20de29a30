/**
 * `npm run chaos -- --minutes M [--seed S] [--out FOLDER]`: random faults against real processes for as long as asked.
 * Writes history.jsonl, summary.txt and the processes' log to the folder, and ends with 1 when a promise was broken.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SeededRng } from '../../platform/rng.ts';
import { wholeNumber } from '../support/run-flags.ts';
import { ChaosCluster } from './chaos-cluster.ts';
import { ChaosRun } from './chaos-run.ts';
import { summarise } from './chaos-summary.ts';
import { faultKinds } from './faults.ts';

/** Wrong input is one clear line, never a run without faults. */
function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: 'string', default: '1' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        out: { type: 'string' },
        /** Only faults whose name holds this. */
        only: { type: 'string', default: '' },
        /** One fault at a time. */
        calm: { type: 'boolean', default: false },
        'log-level': { type: 'string', default: 'info' },
        channels: { type: 'string', default: '12' },
        period: { type: 'string', default: '60' },
      },
    });
    const kinds = faultKinds.filter(({ name }) => name.includes(values.only));
    if (kinds.length === 0) throw new Error(`--only ${values.only}: no fault's name holds that`);
    const number = (flag: 'minutes' | 'seed' | 'channels' | 'period', least: number) =>
      wholeNumber(flag, values[flag], least);
    const numbers = { minutes: number('minutes', 1), seed: number('seed', 0), channels: number('channels', 1) };
    return { ...values, ...numbers, period: number('period', 1), kinds };
  } catch (error) {
    process.stderr.write(`${(error as Error).message.split('\n')[0]}\n`);
    process.exit(2);
  }
}

const flags = readFlags();
const { seed, channels, minutes, kinds } = flags;
const folder = flags.out ?? join(tmpdir(), `belfry-chaos-${seed}`);
process.stdout.write(`seed ${seed}, ${minutes} minutes; the history goes to ${folder}\n`);

const size = { workers: 3, gateways: 2, webapps: 2, proxied: true };
const cluster = await ChaosCluster.start(size, flags['log-level']);
const run = new ChaosRun(cluster);
let breaches: string[];
try {
  await run.begin({ channels, posters: channels, periodMs: flags.period });
  await run.torment({ rng: new SeededRng(seed), forMs: minutes * 60_000, kinds, calm: flags.calm });
  breaches = await run.finish();
} catch (error) {
  breaches = [`the run failed: ${String(error)}`];
} finally {
  await cluster.stop();
}
const summary = summarise(run.recorder, seed, breaches);
mkdirSync(folder, { recursive: true });
run.recorder.write(folder, run.deliveries());
writeFileSync(join(folder, 'summary.txt'), summary);
writeFileSync(join(folder, 'processes.log'), cluster.log());
process.stdout.write(summary);
process.exit(breaches.length > 0 ? 1 : 0);
