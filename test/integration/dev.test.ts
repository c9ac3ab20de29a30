/** `belfry dev` while it runs: what it writes and prints, the tools that use it, and what it does when a process dies. */
import { statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../support/api.ts';
import { runBelfry, spawnBelfry } from '../support/belfry-cli.ts';
import { startBelfryDev, type BelfryDev } from '../support/belfry-dev.ts';
import { findNatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';

let dev: BelfryDev;
beforeAll(async () => {
  dev = await startBelfryDev({ workers: 2 });
}, 60_000);
afterAll(async () => {
  await dev?.stop();
});

const alice = () => dev.file.users[0]?.token ?? '';
const general = () => dev.file.channels[0]?.id ?? '';
const modeOf = (name: string) => (statSync(join(dev.data, name)).mode & 0o777).toString(8);
const pidOf = (id: string) => dev.file.processes.find((process) => process.id === id)?.pid;

describe('dev.json', () => {
  it('lists the workspace and every process, for its owner only', () => {
    const { file } = dev;
    expect(file.api).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/api\/$/);
    expect(file.team).toMatch(/^T/);
    expect(file.admin).toMatch(/^xadm-/);
    expect(file.users.map((user) => user.name)).toEqual(['alice', 'bob']);
    for (const user of file.users)
      expect([user.id, user.token]).toEqual([expect.stringMatching(/^U/), expect.stringMatching(/^xoxp-/)]);
    expect(file.bot).toMatchObject({
      id: expect.stringMatching(/^B/),
      userId: expect.stringMatching(/^U/),
      appId: expect.stringMatching(/^A/),
      token: expect.stringMatching(/^xoxb-/),
      appToken: expect.stringMatching(/^xapp-/),
      signingSecret: expect.stringMatching(/^\S{16,}$/),
    });
    expect(file.channels).toEqual([{ id: expect.stringMatching(/^C/), name: 'general' }]);
    const roles = file.processes.map((process) => `${process.role} ${process.id}`).sort();
    expect(roles).toEqual([
      'gateway gateway-1',
      'nats nats-1',
      'webapp webapp-1',
      'worker worker-1',
      'worker worker-2',
    ]);
    expect([modeOf('dev.json'), modeOf('secrets.json')]).toEqual(['600', '600']);
  });

  it('names ports that answer', async () => {
    const port = (role: string) => dev.file.processes.find((process) => process.role === role)?.port ?? 0;
    expect(new URL(dev.file.api).port).toBe(String(port('webapp')));
    const { url } = await api(dev.file.api, 'rtm.connect', alice());
    expect(new URL(String(url)).port).toBe(String(port('gateway')));
  });
});

describe('the ready text', () => {
  it('starts with the ready line; its curl lines do what they say, and show no token', async () => {
    const lines = dev.run.stdout().split('\n');
    expect(lines[0]).toContain(`ready ${dev.file.api} `);
    expect(dev.run.stdout()).not.toMatch(/xox[pb]-|xadm-|xapp-/);
    const [post, history] = lines.filter((line) => line.trim().startsWith('curl '));
    for (const [line, method] of [
      [post, 'chat.postMessage'],
      [history, 'conversations.history'],
    ] as const) {
      const [, url] = /curl -s (\S+)/.exec(line ?? '') ?? [];
      expect(url).toBe(`${dev.file.api}${method}`);
      const args = Object.fromEntries(
        [...(line ?? '').matchAll(/-d (\w+)=(\S+)/g)].map(([, key, value]) => [key, value]),
      );
      expect((await api(dev.file.api, method, alice(), args)).ok).toBe(true);
    }
  });

  it('comes with nothing on stderr', () => {
    expect(dev.run.stderr()).toBe('');
  });
});

describe('post and tail', () => {
  it('let one see messages travel, each once and in order', async () => {
    const tail = spawnBelfry(['tail', '#general', '--data', dev.data, '--as', 'bob']);
    // It has no way to say that it listens; its first line does.
    let sent = 0;
    await until('the first line of tail', async () => {
      await runBelfry(['post', 'general', `knock ${(sent += 1)}`, '--data', dev.data]);
      return tail.stdout() !== '';
    });
    const texts = ['one', 'two\nlines', 'three \u001b[31mred'];
    for (const text of texts) {
      const { code, stdout } = await runBelfry(['post', general(), text, '--data', dev.data]);
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^C\w+ \d{10}\.\d{6}\n$/)]);
    }
    await until('the last line of tail', () => tail.stdout().includes('three'));
    tail.child.kill('SIGINT');
    await tail.ended;
    const lines = tail
      .stdout()
      .trimEnd()
      .split('\n')
      .filter((line) => !line.includes('knock'));
    expect(lines.map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''))).toEqual([
      'alice one',
      'alice two\\nlines',
      'alice three \ufffd[31mred',
    ]);
  });

  it('say in one line what is wrong', async () => {
    const unknown = await runBelfry(['post', 'nowhere', 'x', '--data', dev.data]);
    expect([unknown.code, unknown.stderr]).toEqual([1, 'belfry: chat.postMessage: channel_not_found\n']);
    const absent = await runBelfry(['tail', 'nowhere', '--data', dev.data]);
    expect([absent.code, absent.stderr]).toEqual([1, 'belfry: nowhere: channel_not_found\n']);
    const nobody = await runBelfry(['post', 'general', 'x', '--as', 'carol', '--data', dev.data]);
    expect([nobody.code, nobody.stderr]).toEqual([2, 'belfry: --as "carol": the demo users are alice, bob\n']);
  });
});

describe('status', () => {
  it('shows every node, for people and as JSON', async () => {
    const [table, json] = await Promise.all([
      runBelfry(['status', '--data', dev.data]),
      runBelfry(['status', '--json', '--data', dev.data]),
    ]);
    for (const id of ['worker-1', 'worker-2', 'gateway-1']) expect(table.stdout).toMatch(new RegExp(`^${id} `, 'm'));
    type Nodes = { readonly id: string; readonly adminUrl: string }[];
    type Info = { readonly view: number } & Readonly<Record<'workers' | 'gateways' | 'webapps', Nodes>>;
    const info = JSON.parse(json.stdout) as Info;
    expect(info.workers.map((worker) => worker.id).sort()).toEqual(['worker-1', 'worker-2']);
    expect(info.gateways).toHaveLength(1);
    expect(info.view).toBeGreaterThan(0);
    for (const { id, adminUrl } of [...info.workers, ...info.gateways, ...info.webapps]) {
      expect(table.stdout).toMatch(new RegExp(`^${id} .* ${adminUrl}(  |$)`, 'm'));
      expect(await (await fetch(`${adminUrl}/metrics`)).text()).toContain(`node="${id}"`);
    }
  });
});

describe('what is taken', () => {
  it('is refused: a data folder in use', async () => {
    const second = await runBelfry(['dev', '--port', '0', '--nats-server', findNatsServer(), '--data', dev.data]);
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(/^belfry: \S+ is in use by another belfry dev \(process \d+\); .*\n$/);
    expect(dev.file.api).toMatch(/^http/);
  });

  it('is refused: a port', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const data = join(dev.data, 'second');
    const second = await runBelfry(['dev', '--port', String(port), '--nats-server', findNatsServer(), '--data', data]);
    other.close();
    expect([second.code, second.stderr]).toEqual([
      2,
      `belfry: port ${port} is taken; choose another --port, or 0 for any free one\n`,
    ]);
  });
});

describe('a process that dies', () => {
  it('is started again with its id, and dev.json follows', async () => {
    const before = pidOf('worker-2') ?? 0;
    process.kill(before, 'SIGKILL');
    const after = await until('another process of worker-2', () => {
      const pid = pidOf('worker-2');
      return pid !== undefined && pid !== before && pid;
    });
    expect(after).toBeGreaterThan(0);
    const posted = await api(dev.file.api, 'chat.postMessage', alice(), { channel: general(), text: 'after a death' });
    expect(posted.ok).toBe(true);
    expect(dev.run.stderr()).toMatch(/worker-2 ended \(SIGKILL\); it starts again in 1 s\n/);
  });

  it('may be the broker: calls are answered meanwhile, and nothing acknowledged is lost', async () => {
    const args = { channel: general(), text: 'before the broker died', client_msg_id: 'broker-death' };
    const { ts } = await api(dev.file.api, 'chat.postMessage', alice(), args);
    const before = pidOf('nats-1') ?? 0;
    process.kill(before, 'SIGKILL');
    await until('the broker to be back', () => pidOf('nats-1') !== undefined && pidOf('nats-1') !== before);
    const again = await until('a post', async () => {
      const answer = await api(dev.file.api, 'chat.postMessage', alice(), args).catch(() => undefined);
      return answer?.['ts'];
    });
    expect(again).toBe(ts);
  }, 60_000);
});
