/**
 * Real processes, a real nats-server, real sockets, and faults: what clients saw keeps every promise (G1-G5, G7). The
 * seed is printed with a failure; `npm run chaos -- --seed S` has more of the same.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SeededRng } from '../../platform/rng.ts';
import { describeBreaches } from '../support/history-checks.ts';
import { ChaosCluster } from './chaos-cluster.ts';
import { ChaosRun } from './chaos-run.ts';
import { summarise } from './chaos-summary.ts';

const seed = Number(process.env['BELFRY_CHAOS_SEED'] ?? Math.floor(performance.timeOrigin) % 1_000_000);
const mixMs = 60_000;
/** Of what the processes logged, with a failure: its end tells of the node that did not come back. */
const logCharsMax = 40_000;
const load = { channels: 6, posters: 6, periodMs: 60 };

let cluster: ChaosCluster;
beforeAll(async () => {
  cluster = await ChaosCluster.start({ workers: 3, gateways: 2, webapps: 2, proxied: true });
}, 90_000);
afterAll(async () => {
  await cluster?.stop();
}, 60_000);

describe('a cluster under load', () => {
  test('bears a random mix of kills, freezes, drains, cuts and broker restarts', async () => {
    const run = new ChaosRun(cluster);
    await run.begin(load);
    await run.torment({ rng: new SeededRng(seed), forMs: mixMs });
    const breaches = await run.finish();
    expect(run.recorder.faults.length).toBeGreaterThan(20);
    expect(run.acknowledged).toBeGreaterThan(1_000);
    const said = () => `${summarise(run.recorder, seed, breaches)}\n${cluster.log().slice(-logCharsMax)}`;
    expect(describeBreaches(breaches), breaches.length === 0 ? '' : said()).toBe('');
  }, 180_000);
});
