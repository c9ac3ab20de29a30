/** Machines whose clocks are hours apart, and step: who comes with a ticket is let in all the same, and once. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectRoot } from '../../platform/project-root.ts';
import { api } from '../support/api.ts';
import type { CliRun } from '../support/belfry-cli.ts';
import { startBelfryDev, type BelfryDev } from '../support/belfry-dev.ts';
import { natsPortOf, spawnRoleBeside } from '../support/role-beside.ts';
import { RtmSocket } from '../support/rtm-socket.ts';
import { until } from '../support/until.ts';

const hourMs = 3_600_000;
const steppable = join(projectRoot(), 'test/support/clock-steps.mjs');

let dev: BelfryDev;
const roles: CliRun[] = [];
beforeAll(async () => {
  dev = await startBelfryDev({ workers: 1 });
}, 60_000);
afterAll(async () => {
  for (const { child } of roles) child.kill('SIGKILL');
  await dev?.stop();
});

interface Far {
  readonly run: CliRun;
  readonly port: number;
  readonly adminPort: number;
}

/** In a region of its own, so that its webapp sends everybody to its gateway. */
async function startFar(role: 'gateway' | 'webapp', aheadMs: number): Promise<Far> {
  const run = spawnRoleBeside(dev, role, natsPortOf(dev), ['--region', 'far', '--id', `far-${role}`, '--port', '0'], {
    NODE_OPTIONS: `--import ${steppable}`,
    TEST_CLOCK_AHEAD_MS: String(aheadMs),
    TEST_CLOCK_STEP_MS: String(-2 * aheadMs),
  });
  roles.push(run);
  await until(`the far ${role}`, () => run.stdout() !== '', 20_000);
  return { run, ...(JSON.parse(run.stdout()) as { ready: Omit<Far, 'run'> }).ready };
}

async function hoursAhead({ adminPort }: Far): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const seconds = Number(/^belfry_clock_ahead_seconds\{.*\} (\S+)$/m.exec(text)?.[1]);
  return Math.round(seconds / 3_600);
}

test('a gateway that is an hour ahead, or steps two hours back, takes every ticket once', async () => {
  const gateway = await startFar('gateway', hourMs);
  const webapp = await startFar('webapp', -hourMs);
  const base = `http://127.0.0.1:${webapp.port}/api/`;
  const [user] = dev.file.users;
  const connect = async () => String((await api(base, 'rtm.connect', user!.token))['url']);
  await until('the gateway to be chosen', async () => (await connect()).includes(`:${gateway.port}/`), 5_000);

  expect([await hoursAhead(gateway), await hoursAhead(webapp)]).toEqual([1, -1]);
  const used = await connect();
  const opened = async (url: string) => (await new RtmSocket(url).frame(() => true)).type;
  expect(await opened(used)).toBe('hello');
  gateway.run.child.kill('SIGUSR2');
  webapp.run.child.kill('SIGUSR2');
  expect(await opened(await connect())).toBe('hello');
  await until('the steps to show', async () => (await hoursAhead(gateway)) === -1, 5_000);
  expect(await new RtmSocket(used).closed).toBe(4101);
}, 60_000);
