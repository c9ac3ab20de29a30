import { describe, expect, it } from 'vitest';
import { limits } from '../../../platform/limits.ts';
import { verifyTicket } from '../../../protocol/tickets.ts';
import { parseIncarnation, parseUserId } from '../../../protocol/ids.ts';
import { makeToken } from '../../../webapp/token-store.ts';
import { GatewayChooser } from '../../../webapp/rtm.ts';
import { SeededRng } from '../../../platform/rng.ts';
import { CHANNEL, GATEWAY, makeWorld, succeed, TICKET_SECRET } from '../../support/webapp-world.ts';

describe('the envelope', () => {
  it('of an unknown method is HTTP 200, names of object properties included', async () => {
    const world = await makeWorld();
    for (const method of ['no.such', 'constructor', '__proto__', 'toString', '']) {
      const { status, json, headers } = await world.call(method, undefined);
      expect({ status, json }).toEqual({ status: 200, json: { ok: false, error: 'unknown_method' } });
      expect(headers['content-type']).toBe('application/json; charset=utf-8');
    }
  });

  it('of a bug is internal_error with an id that the log has, and no stack', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    world.sender.script = () => {
      throw new Error('a secret detail');
    };
    const { status, body, json } = await world.call('chat.postMessage', token, { channel: CHANNEL, text: 'hi' });
    expect(status).toBe(200);
    expect(json.error).toBe('internal_error');
    expect(String(body)).not.toContain('secret detail');
    const logged = world.log.find((line) => line.event === 'api_call_failed');
    expect(String(body)).toContain(String(logged?.['errorId']));
  });

  it('names the argument at fault', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const { json } = await world.call('conversations.info', token, { channel: 'nonsense' });
    expect(json).toEqual({
      ok: false,
      error: 'channel_not_found',
      response_metadata: { messages: ['[ERROR] invalid or missing argument: channel'] },
    });
  });
});

describe('api.test', () => {
  it('echoes its arguments but a token, and fails on request', async () => {
    const world = await makeWorld();
    expect((await world.call('api.test', undefined)).json).toEqual({ ok: true });
    expect((await world.call('api.test', undefined, { foo: 'bar', token: 'xoxp-secret' })).json).toEqual({
      ok: true,
      args: { foo: 'bar' },
    });
    expect((await world.call('api.test', undefined, { error: 'my_error' })).json).toEqual({
      ok: false,
      error: 'my_error',
      args: { error: 'my_error' },
    });
  });
});

describe('authentication', () => {
  it('tells no token, an unknown one, nonsense and a revoked one apart', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const errorOf = async (tried?: string) => (await world.call('auth.test', tried)).json.error;
    expect(await errorOf()).toBe('not_authed');
    expect(await errorOf('')).toBe('not_authed');
    expect(await errorOf(makeToken('user', new SeededRng(3)))).toBe('invalid_auth');
    expect(await errorOf('nonsense')).toBe('invalid_auth');
    expect(await errorOf(`xoxp-${'x'.repeat(5_000)}`)).toBe('invalid_auth');
    expect(await errorOf(token)).toBeUndefined();
    expect((await world.call('auth.revoke', token, { test: '1' })).json).toEqual({ ok: true, revoked: false });
    expect((await world.call('auth.revoke', token)).json).toEqual({ ok: true, revoked: true });
    expect(await errorOf(token)).toBe('token_revoked');
  });

  it('answers auth.test with who one is', async () => {
    const world = await makeWorld();
    const { id, token } = await world.user('alice');
    const me = { url: 'http://127.0.0.1:8080/', team: 'Acme', team_id: 'T0000TEAM1', user: 'alice', user_id: id };
    expect((await world.call('auth.test', token)).json).toEqual({ ok: true, ...me, is_enterprise_install: false });
    const app = (await world.call('belfry.apps.create', await world.admin(), { name: 'helper' })).json;
    const bot = { user: 'helper', user_id: app['user_id'], bot_id: app['bot_id'] };
    expect((await world.call('auth.test', String(app['bot_token']))).json).toMatchObject(bot);
    expect((await world.call('auth.test', await world.admin())).json).toMatchObject({ ok: true, team: 'Acme' });
  });

  it('keeps kinds of tokens to their methods', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const admin = await world.admin();
    const app = String((await world.call('belfry.apps.create', admin, { name: 'helper' })).json['app_token']);
    const wrong = async (method: string, tried: string) => (await world.call(method, tried)).json.error;
    expect(await wrong('belfry.cluster.info', token)).toBe('not_allowed_token_type');
    expect(await wrong('belfry.cluster.info', app)).toBe('not_allowed_token_type');
    expect(await wrong('chat.postMessage', admin)).toBe('not_allowed_token_type');
    expect(await wrong('users.list', admin)).toBe('not_allowed_token_type');
    expect(await wrong('auth.test', app)).toBe('not_allowed_token_type');
    expect(await wrong('belfry.cluster.info', admin)).toBeUndefined();
  });
});

describe('belfry.*', () => {
  it('makes users whose tokens work, and tells who has a name', async () => {
    const world = await makeWorld();
    const admin = await world.admin();
    const made = await world.call('belfry.users.create', admin, { name: 'carol', email: 'c@example.com' });
    const user = made.json['user'] as { id: string };
    expect(made.json['user']).toMatchObject({ name: 'carol', real_name: 'carol', is_bot: false });
    expect((await world.call('auth.test', String(made.json['token']))).json['user_id']).toBe(user.id);
    const again = await world.call('belfry.users.create', admin, { name: 'carol' });
    expect(again.json).toMatchObject({ ok: false, error: 'name_taken', user: { id: user.id } });
    expect(world.sender.commands('notice')).toMatchObject([{ frame: { type: 'team_join', user: { id: user.id } } }]);
  });

  it.each([
    [{}, 'invalid_arguments'],
    [{ name: ' ' }, 'invalid_arguments'],
    [{ name: 'x'.repeat(81) }, 'invalid_arguments'],
    [{ name: 'a\u0000b' }, 'invalid_arguments'],
    [{ name: 'a', email: 'nobody' }, 'invalid_arguments'],
    [{ name: 'a', is_bot: 'perhaps' }, 'invalid_arguments'],
  ])('refuses a user of %j', async (args: Record<string, string>, error) => {
    const world = await makeWorld();
    expect((await world.call('belfry.users.create', await world.admin(), args)).json.error).toBe(error);
  });

  it('makes bot users whose posts are a bot’s', async () => {
    const world = await makeWorld();
    const made = await world.call('belfry.users.create', await world.admin(), { name: 'robo', is_bot: '1' });
    expect(made.json['user']).toMatchObject({ is_bot: true });
    const post = await world.call('chat.postMessage', String(made.json['token']), { channel: CHANNEL, text: 'hi' });
    expect(post.json['message']).toMatchObject({
      ...{ bot_id: expect.stringMatching(/^B/) as string, app_id: expect.stringMatching(/^A/) as string },
      bot_profile: { name: 'robo' },
    });
  });

  it('gives an app made again the same ids and secret, and new tokens', async () => {
    const world = await makeWorld();
    const admin = await world.admin();
    const [first, second] = [
      (await world.call('belfry.apps.create', admin, { name: 'helper' })).json,
      (await world.call('belfry.apps.create', admin, { name: 'helper' })).json,
    ];
    for (const field of ['app_id', 'bot_id', 'user_id', 'signing_secret']) expect(first[field]).toBe(second[field]);
    expect(first['bot_token']).not.toBe(second['bot_token']);
    expect(first).toMatchObject({
      bot_token: /^xoxb-/,
      app_token: /^xapp-/,
      signing_secret: /^[0-9a-f]{32}$/,
    } as never);
  });

  it('drains nodes and tells about the cluster', async () => {
    const world = await makeWorld();
    const admin = await world.admin();
    expect((await world.call('belfry.cluster.info', admin)).json).toMatchObject({ ok: true, view: 7, workers: [] });
    expect((await world.call('belfry.cluster.drain', admin, { node: 'w1' })).json).toEqual({ ok: true });
    for (const node of ['x1', 'no such.node', '']) {
      expect((await world.call('belfry.cluster.drain', admin, { node })).json.error).toBe('node_not_found');
    }
  });

  it('revokes by token or hash, and refuses what is neither', async () => {
    const world = await makeWorld();
    const admin = await world.admin();
    const { id } = await world.user('alice');
    const made = (await world.call('belfry.tokens.create', admin, { user: id })).json;
    const revoke = async (args: Record<string, string>) => (await world.call('belfry.tokens.revoke', admin, args)).json;
    expect(await revoke({ token_hash: String(made['token_hash']) })).toEqual({ ok: true, revoked: true });
    expect((await world.call('auth.test', String(made['token']))).json.error).toBe('token_revoked');
    for (const args of [{}, { token: 'xoxp-unknown' }, { token_hash: '../../x' }]) {
      expect((await revoke(args)).error).toBe('invalid_arguments');
    }
  });
});

describe('rtm.connect', () => {
  it('gives a single-use URL at a gateway, with a ticket that says who comes', async () => {
    const world = await makeWorld();
    const { id, token } = await world.user('alice');
    const { json } = await world.call('rtm.connect', token, { resume: '1', batch_presence_aware: 'true' });
    expect(json).toMatchObject({ ok: true, self: { id, name: 'alice' }, team: { id: 'T0000TEAM1', domain: 'acme' } });
    const url = new URL(String(json['url']));
    expect(url.href.startsWith('ws://127.0.0.1:8081/websocket/')).toBe(true);
    const ticket = url.pathname.split('/').at(-1) ?? '';
    const verdict = verifyTicket(TICKET_SECRET, ticket, GATEWAY.monotonicMs + 29_999);
    expect(verdict).toMatchObject({
      kind: 'valid',
      claims: { user: id, gateway: GATEWAY.incarnation, resume: true, batchPresenceAware: true, unlimited: false },
    });
    expect(verifyTicket(TICKET_SECRET, ticket, GATEWAY.monotonicMs + 30_000).kind).toBe('expired');
    const other = await world.call('rtm.start', token);
    expect(other.json['url']).not.toBe(json['url']);
  });

  it('without any gateway is 503, to be tried again', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    world.gateways = [];
    expect(await world.call('rtm.connect', token)).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
  });

  it('spreads a herd over the region’s gateways although their reported loads stand still', () => {
    const chooser = new GatewayChooser();
    const [a, b, far] = ['a', 'b', 'far'].map((name) => ({
      ...GATEWAY,
      incarnation: parseIncarnation(name)!,
      region: name === 'far' ? 'other' : 'local',
    }));
    const chosen = Array.from(
      { length: 10 },
      () => chooser.choose([a!, { ...b!, load: 4 }, far!], 'local')?.incarnation,
    );
    expect(chosen.filter((name) => name === 'a')).toHaveLength(7);
    expect(chosen).not.toContain('far');
    expect(chooser.choose([far!], 'local')?.incarnation).toBe('far');
  });
});

describe('users.*', () => {
  it('lists by pages that hold everybody once, or all at once without a limit', async () => {
    const world = await makeWorld();
    const { token } = await world.user('user0');
    for (let i = 1; i < 25; i++) await world.user(`user${i}`);
    const names: string[] = [];
    let cursor = '';
    do {
      const page = (await world.call('users.list', token, { limit: '10', cursor })).json;
      names.push(...(page['members'] as { name: string }[]).map((member) => member.name));
      cursor = (page['response_metadata'] as { next_cursor: string }).next_cursor;
    } while (cursor !== '');
    expect(new Set(names).size).toBe(25);
    expect(names).toHaveLength(25);
    expect((await world.call('users.list', token)).json['members']).toHaveLength(25);
    expect((await world.call('users.list', token, { limit: '5000' })).json['members']).toHaveLength(25);
  });

  it('asks for a limit when the list is too long to hand out at once', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const record = { name: 'x', realName: 'x', isAdmin: false, deleted: false, updated: 0 };
    for (let i = 0; i < limits.usersListedWithoutLimitMax; i++) {
      world.directory.users.apply({ ...record, id: parseUserId(`U${String(i).padStart(10, '0')}`)! }, i + 1);
    }
    expect((await world.call('users.list', token)).json.error).toBe('limit_required');
    expect((await world.call('users.list', token, { limit: '2' })).json['members']).toHaveLength(2);
  });

  it.each([
    ['users.list', { cursor: 'nonsense' }, 'invalid_cursor'],
    ['users.list', { cursor: Buffer.from('channel:C0000000001').toString('base64') }, 'invalid_cursor'],
    ['users.list', { limit: '-1' }, 'invalid_limit'],
    ['users.list', { limit: 'many' }, 'invalid_limit'],
    ['users.info', {}, 'user_not_found'],
    ['users.info', { user: 'U0000000009' }, 'user_not_found'],
    ['users.info', { user: '../etc' }, 'user_not_found'],
    ['users.lookupByEmail', { email: 'nobody@example.com' }, 'users_not_found'],
    ['users.lookupByEmail', {}, 'users_not_found'],
    ['users.getPresence', { user: 'U0000000009' }, 'user_not_found'],
    ['users.setPresence', { presence: 'dancing' }, 'invalid_presence'],
    ['users.setPresence', {}, 'invalid_presence'],
    ['bots.info', {}, 'missing_argument'],
    ['bots.info', { bot: 'B0000000009' }, 'bot_not_found'],
    ['team.info', { team: 'T0000000009' }, 'team_not_found'],
  ])('%s with %j is %s', async (method, args: Record<string, string>, error) => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const { status, json } = await world.call(method, token, args);
    expect({ status, error: json.error }).toEqual({ status: 200, error });
  });

  it('tells one’s own presence in detail, others’ in a word', async () => {
    const world = await makeWorld();
    const { id, token } = await world.user('alice');
    const { id: other } = await world.user('bob');
    const state = { presence: 'active', manualAway: false, autoAway: false, connections: 2, lastActivity: 0 } as const;
    world.sender.script = (_stream, { kind }) => (kind === 'get-presence' ? succeed(state) : undefined);
    const detail = { online: true, auto_away: false, manual_away: false, connection_count: 2 };
    expect((await world.call('users.getPresence', token)).json).toEqual({ ok: true, presence: 'active', ...detail });
    expect((await world.call('users.getPresence', token, { user: other })).json).toEqual({
      ok: true,
      presence: 'active',
    });
    expect(world.sender.sent.map(({ stream }) => stream)).toEqual([id, other]);
  });
});
