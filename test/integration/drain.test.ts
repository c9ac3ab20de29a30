/**
 * Every process of a cluster is emptied under load, one after the other: the workers by each of the ways there are (a
 * signal, the CLI, the API), then the gateways and the webapps. Nobody is told that a post failed, and every listener
 * gets the log's order without gap or double (G2-G5, G7).
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ChaosCluster, type Victim } from '../chaos/chaos-cluster.ts';
import { ChaosRun } from '../chaos/chaos-run.ts';
import { pauses, summarise } from '../chaos/chaos-summary.ts';
import { rollingRestart } from '../chaos/faults.ts';
import { api } from '../support/api.ts';
import { runBelfry } from '../support/belfry-cli.ts';
import { describeBreaches } from '../support/history-checks.ts';
import { until } from '../support/until.ts';

const backMs = 30_000;
/**
 * Of a channel, on two cores that also run other tests: less than a hand-off that misses its deadline takes. What it is on
 * a quiet machine stands in bench/README.md.
 */
const pauseMsMax = 500;
const load = { channels: 12, posters: 12, periodMs: 60 };

let cluster: ChaosCluster;
beforeAll(async () => {
  cluster = await ChaosCluster.start({ workers: 3, gateways: 2, webapps: 2, proxied: false });
}, 90_000);
afterAll(async () => {
  await cluster?.stop();
}, 60_000);

const ways: Readonly<Record<string, (victim: Victim) => Promise<unknown>>> = {
  'a signal': async (victim) => cluster.signal(victim, 'SIGTERM'),
  '`belfry drain`': ({ id }) => runBelfry(['drain', id, '--data', cluster.dev.data]),
  'belfry.cluster.drain': ({ id }) =>
    api(cluster.apis[0] ?? '', 'belfry.cluster.drain', cluster.dev.file.admin, { node: id }),
};

test('a worker that is drained loses no post and no event, and its channels go on elsewhere', async () => {
  const run = new ChaosRun(cluster);
  await run.begin(load);
  for (const [at, [name, drain]] of Object.entries(ways).entries()) {
    const victim = cluster.running('worker').toSorted((a, b) => (a.id < b.id ? -1 : 1))[at];
    if (victim === undefined) throw new Error('a worker is missing');
    const channels = await cluster.owners.of(victim.id, run.recorder.channels());
    const fault = run.recorder.fault(`drain ${victim.id} by ${name}`, channels);
    await drain(victim);
    await until(`${victim.id} to be back after ${name}`, () => cluster.isBack(victim), backMs);
    fault.untilMs = run.recorder.now();
    await cluster.settled();
  }
  const breaches = await run.finish();
  const story = summarise(run.recorder, 0, breaches);
  expect(describeBreaches(breaches), story).toBe('');
  expect([...run.recorder.counts().keys()], story).toEqual([]);
  const paused = run.recorder.faults.flatMap((fault) => pauses(fault, run.recorder.posts));
  expect(paused).toHaveLength(load.channels * Object.keys(ways).length);
  expect(
    paused.filter((ms) => ms > pauseMsMax),
    story,
  ).toHaveLength(0);
  expect(cluster.log(), 'a drained worker ends by itself').not.toMatch(/ended \((?!exit code 0\))/);
  expect(run.acknowledged).toBeGreaterThan(200);
}, 120_000);

test('every gateway and webapp is restarted: whoever was there goes to the other, and no answer says that a post failed', async () => {
  const run = new ChaosRun(cluster);
  await run.begin(load);
  await rollingRestart({ cluster, recorder: run.recorder }, ['gateway', 'webapp']);
  const breaches = await run.finish();
  const story = summarise(run.recorder, 0, breaches);
  expect(describeBreaches(breaches), story).toBe('');
  expect(run.recorder.faults.map(({ what }) => what)).toHaveLength(4);
  const told = [...run.recorder.counts().keys()].filter((what) => !isSentElsewhere(what));
  expect(told, story).toEqual([]);
  expect(run.recorder.presence.filter(({ presence }) => presence === 'away')).toEqual([]);
}, 120_000);

/** A socket's planned end, and a connection that was refused before anything was asked: both lead to the other process. */
function isSentElsewhere(what: string): boolean {
  return what === 'rtm closed 4000' || /^(http|rtm connect:) ECONNREFUSED$/.test(what);
}
