/** Two webapps of one team on a real nats-server, over real HTTP: what they share, and what they do without the broker. */
import { WebClient } from '@slack/web-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { connectNats } from '../../broker/nats-broker.ts';
import { provisionNats } from '../../broker/nats-provision.ts';
import { systemClock } from '../../platform/clock.ts';
import { silentLogger } from '../../platform/logger.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { systemRng } from '../../platform/rng.ts';
import { startHttpListener, type HttpListener } from '../../transport/http-listener.ts';
import { createDirectory, type Directory } from '../../webapp/directory.ts';
import { createWebapp } from '../../webapp/webapp.ts';
import { api, callApi } from '../support/api.ts';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';
import { GATEWAY, ScriptedSender, TEAM } from '../support/webapp-world.ts';

interface Role {
  readonly base: string;
  readonly broker: Broker;
  readonly directory: Directory;
  readonly listener: HttpListener;
}

let server: TestNatsServer;
let roles: Role[] = [];
let admin = '';
const base = (place: number) => roles[place]?.base ?? '';

async function startRole(id: string): Promise<Role> {
  const shared = { clock: systemClock, rng: systemRng, logger: silentLogger };
  const broker = await connectNats({
    servers: [server.url],
    ...server.users.webapp,
    incarnation: `${id}-0000000001`,
    records: false,
  });
  const directory = createDirectory({ broker, ...shared });
  await directory.ready;
  const { handle } = createWebapp({
    ...shared,
    directory,
    sender: new ScriptedSender(),
    nodes: () => [GATEWAY],
    clusterInfo: () => ({ view: 1, workers: [], gateways: [], webapps: [], slots: {} as never }),
    requestDrain: async () => 'not-found',
    settings: {
      team: { id: TEAM, name: 'Acme', domain: 'acme' },
      ...{ ticketSecret: 'secret', publicUrl: 'http://127.0.0.1', region: 'local' },
    },
    rateLimits: 'default',
    metrics: createMetrics({ role: 'webapp', id, processMetrics: false }),
  });
  const listener = await startHttpListener({ host: '127.0.0.1', port: 0, handler: handle, ...shared });
  return { base: `http://127.0.0.1:${listener.port}/api/`, broker, directory, listener };
}

beforeAll(async () => {
  server = await startNatsServer();
  const access = { servers: [server.url], ...server.users.admin, incarnation: 'init-0000000001' };
  await provisionNats(access, { partitions: 1, replicas: 1 });
  roles = [await startRole('a'), await startRole('b')];
  admin = (await roles[0]?.directory.tokens.issue({ kind: 'admin', unlimited: true })) ?? '';
});

afterAll(async () => {
  for (const role of roles) {
    role.directory.stop();
    await role.listener.stop(0);
    await role.broker.close();
  }
  await server?.stop();
});

const makeUser = async (place: number, name: string) => {
  const { user, token } = await api(base(place), 'belfry.users.create', admin, { name });
  return { id: (user as { id: string }).id, token: String(token) };
};

describe('two webapps', () => {
  test('know each other’s users at once, also those that no hint told of', async () => {
    const alice = await makeUser(0, 'alice');
    const found = await api(base(1), 'users.info', alice.token, { user: alice.id });
    expect(found['user']).toMatchObject({ id: alice.id, name: 'alice' });
    await until('the list to show her', async () => {
      const { members } = await api(base(1), 'users.list', alice.token);
      return (members as { id: string }[]).some((member) => member.id === alice.id);
    });
  });

  test('give a channel’s name and a user’s name away once', async () => {
    const [one, two] = [await makeUser(0, 'one'), await makeUser(1, 'two')];
    const tries = Array.from({ length: 10 }, (_, i) =>
      callApi(base(i % 2), 'conversations.create', i % 2 === 0 ? one.token : two.token, { name: 'contested' }),
    );
    const answers = await Promise.all(tries);
    expect(answers.filter(({ body }) => body.ok)).toHaveLength(1);
    const names = await Promise.all(
      [0, 1, 0, 1].map((place) => callApi(base(place), 'belfry.users.create', admin, { name: 'same' })),
    );
    expect(names.filter(({ body }) => body.ok)).toHaveLength(1);
  });

  test('both refuse a token once it is revoked', async () => {
    const bob = await makeUser(0, 'bob');
    for (const place of [0, 1]) await api(base(place), 'auth.test', bob.token);
    await api(base(0), 'auth.revoke', bob.token);
    expect((await callApi(base(0), 'auth.test', bob.token)).body.error).toBe('token_revoked');
    await until('the news to arrive', async () => {
      return (await callApi(base(1), 'auth.test', bob.token)).body.error === 'token_revoked';
    });
  });
});

describe('an unmodified client', () => {
  test('pages through users, posts, and reads errors as its platform errors', async () => {
    const carol = await makeUser(0, 'carol');
    for (let i = 0; i < 5; i++) await makeUser(i % 2, `extra-${i}`);
    const client = new WebClient(carol.token, { slackApiUrl: base(0) });
    const ids = new Set<string | undefined>();
    for await (const page of client.paginate('users.list', { limit: 2 })) {
      for (const member of (page as { members?: { id?: string }[] }).members ?? []) ids.add(member.id);
    }
    expect(ids.size).toBeGreaterThanOrEqual(6);
    const { channel } = await client.conversations.create({ name: 'carols' });
    const posted = await client.chat.postMessage({
      channel: channel?.id ?? '',
      text: 'hi',
      blocks: [{ type: 'divider' }],
    });
    expect(posted.message).toMatchObject({ text: 'hi', user: carol.id, blocks: [{ type: 'divider' }] });
    await expect(client.conversations.create({ name: 'carols' })).rejects.toMatchObject({
      data: { error: 'name_taken' },
    });
    const stranger = new WebClient('xoxp-not-a-token', { slackApiUrl: base(0) });
    await expect(stranger.auth.test()).rejects.toMatchObject({ data: { error: 'invalid_auth' } });
  });
});

describe('a body that is too large', () => {
  test('is invalid_arguments with HTTP 200', async () => {
    const dave = await makeUser(0, 'dave');
    const { status, body } = await callApi(base(0), 'chat.postMessage', dave.token, {
      channel: 'C0000000001',
      text: 'x'.repeat(1_100_000),
    });
    expect({ status, error: body.error }).toEqual({ status: 200, error: 'invalid_arguments' });
  });
});

describe('without the broker', () => {
  test('calls answer service_unavailable, and work again by themselves when it is back', async () => {
    const erin = await makeUser(0, 'erin');
    await server.kill();
    const refused = await until('the loss to show', async () => {
      const answer = await callApi(base(0), 'belfry.users.create', admin, { name: 'frank' });
      return answer.body.error === 'service_unavailable' && answer;
    });
    expect({ status: refused.status, retryAfter: refused.headers.get('retry-after') }).toEqual({
      status: 503,
      retryAfter: '1',
    });
    await server.start();
    await until('it to be back', async () => (await callApi(base(0), 'auth.test', erin.token)).body.ok);
    const frank = await until('a user to be made', async () => {
      const { body } = await callApi(base(0), 'belfry.users.create', admin, { name: 'frank' });
      return body.ok && body;
    });
    expect(frank['user']).toMatchObject({ name: 'frank' });
  });
});
