/**
 * `npm run chaos -- --minutes M [--seed S] [--out FOLDER]`: random faults against real processes for as long as asked.
 * Writes history.jsonl, summary.txt and the processes' log to the folder, and ends with 1 when a promise was broken.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SeededRng } from '../../platform/rng.ts';
import { ChaosCluster } from './chaos-cluster.ts';
import { ChaosRun } from './chaos-run.ts';
import { summarise } from './chaos-summary.ts';
import { faultKinds } from './faults.ts';

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
const seed = Number(values.seed);
const folder = values.out ?? join(tmpdir(), `belfry-chaos-${seed}`);
const channels = Number(values.channels);
process.stdout.write(`seed ${seed}, ${values.minutes} minutes; the history goes to ${folder}\n`);

const size = { workers: 3, gateways: 2, webapps: 2, proxied: true };
const cluster = await ChaosCluster.start(size, values['log-level']);
const run = new ChaosRun(cluster);
let breaches: string[];
try {
  await run.begin({ channels, posters: channels, periodMs: Number(values.period) });
  const kinds = faultKinds.filter(({ name }) => name.includes(values.only));
  const forMs = Number(values.minutes) * 60_000;
  await run.torment({ rng: new SeededRng(seed), forMs, kinds, calm: values.calm });
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
