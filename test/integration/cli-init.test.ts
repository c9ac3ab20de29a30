/** A cluster by hand: `belfry init` once, then roles one by one against a broker of one's own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runBelfry } from '../support/belfry-cli.ts';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';

let nats: TestNatsServer;
beforeAll(async () => {
  nats = await startNatsServer();
});
afterAll(async () => {
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
    const [, team] = /team (T\w+)/.exec(first.stdout) ?? [];
    expect(second.stdout).toBe(`already initialised (team ${team}); nothing changed\n`);
  });
});
