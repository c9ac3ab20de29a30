/** A cluster by hand: `belfry init` once, then roles one by one against a broker of one's own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../support/api.ts';
import { runBelfry, spawnBelfry, type CliRun } from '../support/belfry-cli.ts';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';

let nats: TestNatsServer;
let admin = '';
const roles: CliRun[] = [];
beforeAll(async () => {
  nats = await startNatsServer();
});
afterAll(async () => {
  for (const run of roles) run.child.kill('SIGKILL');
  await nats?.stop();
});

const password = (user: keyof TestNatsServer['users']) => ({ BELFRY_NATS_PASSWORD: nats.users[user].password });
const init = (...flags: string[]) => runBelfry(['init', '--nats', nats.url, ...flags], password('admin'));

describe('belfry init', () => {
  it('comes first: a role says so until then', async () => {
    const worker = await runBelfry(['worker', '--nats', nats.url, '--log-level', 'error'], password('worker'));
    expect([worker.code, worker.stdout]).toEqual([2, '']);
    expect(worker.stderr).toMatch(/^belfry: .*run `belfry init` first\n$/);
  });

  it('is refused in one line with a wrong password', async () => {
    const result = await runBelfry(['init', '--nats', nats.url], { BELFRY_NATS_PASSWORD: 'wrong' });
    expect([result.code, result.stdout]).toEqual([2, '']);
    expect(result.stderr).toMatch(/^belfry: nats-server at \S+ refused the user admin or its password\n$/);
  });

  it('cannot make three copies on one server', async () => {
    const result = await init('--replicas', '3');
    expect([result.code, result.stdout]).toEqual([2, '']);
    expect(result.stderr).toMatch(/^belfry: nats-server at \S+ could not be initialised: .*\n$/);
  });

  it('prints the admin token once, and a second run changes nothing', async () => {
    const first = await init('--partitions', '2', '--team', 'Acme Corp');
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^initialised: team T\w+\nadmin token, shown only now: xadm-[0-9a-f]{40}\n$/);
    const second = await init('--partitions', '4', '--team', 'Other');
    expect(second).toMatchObject({ code: 0, stderr: '' });
    admin = /xadm-\w+/.exec(first.stdout)?.[0] ?? '';
    const [, team] = /team (T\w+)/.exec(first.stdout) ?? [];
    expect(second.stdout).toBe(`already initialised (team ${team}); nothing changed\n`);
  });
});

type Ready = { role: string; id: string; pid: number; port: number; adminPort: number };
type RoleName = 'worker' | 'gateway' | 'webapp';

describe('roles one by one', () => {
  const start = (role: RoleName, ...flags: string[]) => {
    const run = spawnBelfry([role, '--nats', nats.url, '--admin-port', '0', ...flags], password(role));
    roles.push(run);
    return run;
  };
  const ready = (run: CliRun) =>
    until(
      `the ready line\n${run.stderr()}`,
      () => run.stdout() !== '' && (JSON.parse(run.stdout()) as { ready: Ready }).ready,
    );
  const page = async ({ adminPort }: Ready, path: string) => {
    const response = await fetch(`http://127.0.0.1:${adminPort}${path}`);
    return { status: response.status, text: await response.text() };
  };

  it('serve, show their health and metrics, and end cleanly when drained and on SIGTERM', async () => {
    const [worker, gateway, webapp] = [
      start('worker', '--id', 'w1', '--zone', 'a'),
      start('gateway', '--id', 'g1', '--port', '0', '--region', 'eu'),
      start('webapp', '--port', '0', '--public-url', 'https://chat.example.org'),
    ];
    const [w1, g1, web] = await Promise.all([worker, gateway, webapp].map(ready));
    if (w1 === undefined || g1 === undefined || web === undefined) throw new Error('not ready');
    expect(w1).toMatchObject({ role: 'worker', id: 'w1', pid: worker.child.pid, port: 0 });
    for (const node of [w1, g1, web]) {
      expect(await page(node, '/healthz')).toEqual({ status: 200, text: 'ok\n' });
      expect(await page(node, '/readyz')).toEqual({ status: 200, text: 'ready\n' });
      const { text } = await page(node, '/metrics');
      for (const metric of ['hop_duration', 'queue_wait'])
        expect(text).toMatch(new RegExp(`belfry_${metric}_seconds_bucket\\{.*role="\\w+"`));
    }
    // Without the system account a worker says that it will notice the dead later.
    expect(worker.stderr()).toContain('"event":"no_system_account"');

    const base = `http://127.0.0.1:${web.port}/api/`;
    const { token } = await api(base, 'belfry.users.create', admin, { name: 'carol' });
    expect(await api(base, 'auth.test', String(token))).toMatchObject({
      url: 'https://chat.example.org/',
      team: 'Acme Corp',
    });
    const { url } = await api(base, 'rtm.connect', String(token));
    expect(String(url)).toContain(`ws://127.0.0.1:${g1.port}/websocket/`);

    // As docs/OPERATIONS.md has it: a drained worker ends with 0, which its supervisor takes for an end.
    const target = { BELFRY_URL: `http://127.0.0.1:${web.port}`, BELFRY_TOKEN: admin };
    expect(await runBelfry(['drain', 'w1'], target)).toMatchObject({ code: 0, stderr: '' });
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    for (const run of [webapp, gateway]) {
      run.child.kill('SIGTERM');
      expect(await run.ended).toEqual({ code: 0, signal: null });
    }
  }, 60_000);
});
