import { describe, expect, it } from 'vitest';
import { channelNameError } from '../../../webapp/channel-names.ts';
import { formatTs } from '../../../protocol/timestamp.ts';
import { fail, infoOf, makeWorld, metaFor, succeed, type World } from '../../support/webapp-world.ts';

const create = (world: World, token: string, name: string, args: Record<string, string> = {}) =>
  world.call('conversations.create', token, { name, ...args });
const channelOf = (answer: { json: Record<string, unknown> }) => answer.json['channel'] as Record<string, unknown>;

describe('conversations.create', () => {
  it('opens the channel with its creator in it, announces a public one, and lists it', async () => {
    const world = await makeWorld();
    const { id, token } = await world.user('alice');
    const channel = channelOf(await create(world, token, 'random'));
    expect(channel).toMatchObject({ name: 'random', is_channel: true, is_member: true, creator: id, num_members: 1 });
    expect(world.sender.commands('open')).toMatchObject([
      { members: [id], meta: { kind: 'public', isGeneral: false } },
    ]);
    expect(world.sender.commands('notice')).toMatchObject([
      { frame: { type: 'channel_created', channel: { id: channel['id'] } } },
    ]);
    const list = (await world.call('conversations.list', token)).json['channels'];
    expect(list).toMatchObject([{ id: channel['id'], is_member: false }]);
  });

  it('says nothing to others about a private one', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const channel = channelOf(await create(world, token, 'secret', { is_private: 'True' }));
    expect(channel).toMatchObject({ is_private: true, is_group: true, is_channel: false });
    expect(world.sender.commands('notice')).toEqual([]);
    expect((await world.call('conversations.list', token)).json['channels']).toEqual([]);
  });

  it('marks #general, of which a team has one', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    expect(channelOf(await create(world, token, 'general'))['is_general']).toBe(true);
    expect((await create(world, token, 'general')).json.error).toBe('name_taken');
  });

  it('gives a name to one of many who want it at once, in one webapp and in two', async () => {
    const world = await makeWorld();
    const other = await makeWorld({ beside: world });
    const [alice, bob] = [await world.user('alice'), await world.user('bob')];
    const answers = await Promise.all([
      create(world, alice.token, 'random'),
      create(world, alice.token, 'random'),
      create(other, bob.token, 'random'),
    ]);
    expect(answers.filter(({ json }) => json.ok)).toHaveLength(1);
    expect(answers.filter(({ json }) => json.error === 'name_taken')).toHaveLength(2);
  });

  it('that stopped half-way is finished by its creator, and taken for others', async () => {
    const world = await makeWorld();
    const [alice, bob] = [await world.user('alice'), await world.user('bob')];
    world.sender.script = (_stream, { kind }) =>
      kind === 'open' ? { ok: false, failure: { kind: 'unknown', reason: 'silence' } } : undefined;
    expect((await create(world, alice.token, 'random')).status).toBe(503);
    world.sender.script = () => undefined;
    expect((await world.call('conversations.list', bob.token)).json['channels']).toEqual([]);
    expect((await create(world, bob.token, 'random')).json.error).toBe('name_taken');
    const finished = await create(world, alice.token, 'random');
    expect(finished.json.ok).toBe(true);
    const [first, second] = world.sender.commands('open');
    expect(first?.meta.id).toBe(second?.meta.id);
    expect((await create(world, alice.token, 'random')).json.error).toBe('name_taken');
  });

  it.each([
    ['', 'invalid_name_required'],
    ['   ', 'invalid_name_required'],
    ['x'.repeat(81), 'invalid_name_maxlength'],
    ['UPPER', 'invalid_name_specials'],
    ['with space', 'invalid_name_specials'],
    ['dots.no', 'invalid_name_specials'],
    ['a>b', 'invalid_name_specials'],
    ['--__--', 'invalid_name_punctuation'],
  ])('refuses the name %j', async (name, error) => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    expect((await create(world, token, name)).json.error).toBe(error);
    expect(world.sender.sent).toEqual([]);
  });

  it('takes lower-case names of any script', () => {
    for (const name of ['a', 'team-42_x', 'größe', '日本語', 'x'.repeat(80)])
      expect(channelNameError(name)).toBeUndefined();
  });
});

describe('conversations.open', () => {
  it('makes the same conversation of the same people, whoever asks and in any order', async () => {
    const world = await makeWorld();
    const [a, b, c] = [await world.user('a'), await world.user('b'), await world.user('c')];
    const first = await world.call('conversations.open', a.token, { users: `${b.id}, ${c.id}` });
    const second = await world.call('conversations.open', c.token, { users: [a.id, b.id, c.id].join(',') });
    expect(first.json).toEqual({ ok: true, channel: { id: expect.stringMatching(/^G/) } });
    expect(second.json).toMatchObject({ no_op: true, already_open: true, channel: channelOf(first) });
    const im = await world.call('conversations.open', a.token, { users: b.id, return_im: '1' });
    expect(channelOf(im)).toMatchObject({ id: expect.stringMatching(/^D/) as string, is_im: true, user: b.id });
    const self = await world.call('conversations.open', a.token, { users: a.id, return_im: 'true' });
    expect(channelOf(self)).toMatchObject({ is_im: true, user: a.id });
  });

  it('by its id finds only what is there', async () => {
    const world = await makeWorld();
    const [a, b] = [await world.user('a'), await world.user('b')];
    const prevented = await world.call('conversations.open', a.token, { users: b.id, prevent_creation: '1' });
    expect(prevented.json.error).toBe('channel_not_found');
    const { id } = channelOf(await world.call('conversations.open', a.token, { users: b.id }));
    const again = await world.call('conversations.open', a.token, { channel: String(id) });
    expect(again.json).toEqual({ ok: true, no_op: true, already_open: true, channel: { id } });
  });

  it.each([
    [{}, 'users_list_not_supplied'],
    [{ users: ',' }, 'not_enough_users'],
    [{ users: 'U0000000001,U0000000002,U3333,U4444,U5555,U6666,U7777,U8888,U9999' }, 'too_many_users'],
    [{ users: 'U0000000009' }, 'user_not_found'],
    [{ users: 'alice' }, 'user_not_found'],
    [{ channel: 'C0000000001' }, 'method_not_supported_for_channel_type'],
    [{ channel: 'D0000000001' }, 'channel_not_found'],
  ])('refuses %j', async (args: Record<string, string>, error) => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    expect((await world.call('conversations.open', token, args)).json.error).toBe(error);
  });
});

describe('membership', () => {
  it('join of a member is no error but a warning', async () => {
    const world = await makeWorld();
    const { id, token } = await world.user('alice');
    const info = infoOf(metaFor('C0000000001', 'public', id));
    world.sender.script = (_stream, { kind }) => (kind === 'join' ? succeed({ info, already: true }) : undefined);
    const { json } = await world.call('conversations.join', token, { channel: 'C0000000001' });
    expect(json).toMatchObject({
      ok: true,
      warning: 'already_in_channel',
      response_metadata: { warnings: ['already_in_channel'] },
    });
    const direct = await world.call('conversations.join', token, { channel: 'D0000000001' });
    expect(direct.json.error).toBe('method_not_supported_for_channel_type');
  });

  it('leave of somebody who is not in it says so', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    world.sender.script = (_stream, { kind }) => (kind === 'leave' ? succeed({ wasMember: false }) : undefined);
    const { json } = await world.call('conversations.leave', token, { channel: 'C0000000001' });
    expect(json).toEqual({ ok: true, not_in_channel: true });
  });

  it('invite asks the channel about people who exist, and tells who could not come', async () => {
    const world = await makeWorld();
    const [alice, bob, carol] = [await world.user('alice'), await world.user('bob'), await world.user('carol')];
    const info = infoOf(metaFor('C0000000001', 'public', alice.id));
    world.sender.script = (_stream, command) =>
      command.kind === 'invite' ? succeed({ info, failed: [[carol.id, 'already_in_channel']] }) : undefined;
    const users = `${bob.id},${carol.id},U0000000009`;
    const strict = await world.call('conversations.invite', alice.token, { channel: 'C0000000001', users });
    expect(strict.json).toMatchObject({ ok: false, error: 'user_not_found', errors: [{ user: 'U0000000009' }] });
    expect(world.sender.commands('invite')).toEqual([]);
    const forced = await world.call('conversations.invite', alice.token, { channel: 'C0000000001', users, force: '1' });
    expect(forced.json).toMatchObject({
      ok: true,
      errors: [
        { user: 'U0000000009', ok: false, error: 'user_not_found' },
        { user: carol.id, ok: false, error: 'already_in_channel' },
      ],
    });
    expect(world.sender.commands('invite')).toMatchObject([{ by: alice.id, users: [bob.id, carol.id], force: true }]);
  });

  it('pages through members by their ids', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const all = Array.from({ length: 25 }, (_, i) => `U${String(i).padStart(10, '0')}`);
    world.sender.script = (_stream, command) => {
      if (command.kind !== 'members') return undefined;
      const rest = all.filter((id) => id > (command.after ?? ''));
      return succeed({ members: rest.slice(0, command.limit), more: rest.length > command.limit });
    };
    const seen: string[] = [];
    let cursor = '';
    do {
      const args = { channel: 'C0000000001', limit: '10', cursor };
      const { json } = await world.call('conversations.members', token, args);
      seen.push(...(json['members'] as string[]));
      cursor = (json['response_metadata'] as { next_cursor: string }).next_cursor;
    } while (cursor !== '');
    expect(seen).toEqual(all);
  });

  it.each([
    ['conversations.invite', {}, 'no_user'],
    ['conversations.invite', { users: ' , ' }, 'no_user'],
    ['conversations.invite', { users: Array.from({ length: 1_001 }, (_, i) => `U${i}`).join() }, 'too_many_users'],
    ['conversations.kick', {}, 'user_not_found'],
    ['conversations.kick', { user: 'U0000000009' }, 'user_not_found'],
    ['conversations.members', { cursor: 'nonsense' }, 'invalid_cursor'],
    ['conversations.history', { cursor: 'nonsense' }, 'invalid_cursor'],
    ['conversations.history', { cursor: Buffer.from('seq:-1').toString('base64') }, 'invalid_cursor'],
    ['conversations.history', { oldest: 'yesterday' }, 'invalid_ts_oldest'],
    ['conversations.history', { latest: '1e99' }, 'invalid_ts_latest'],
    ['conversations.history', { limit: 'x' }, 'invalid_limit'],
    ['conversations.info', { channel: 'general' }, 'channel_not_found'],
    ['conversations.info', { channel: '' }, 'channel_not_found'],
    ['conversations.info', { channel: 'C0000000009' }, 'channel_not_found'],
    ['conversations.list', { types: 'public_channel,toString' }, 'invalid_types'],
    ['users.conversations', { user: 'U0000000009' }, 'user_not_found'],
  ])('%s with %j is %s', async (method, args: Record<string, string>, error) => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    expect((await world.call(method, token, { channel: 'C0000000001', ...args })).json.error).toBe(error);
  });
});

describe('archive', () => {
  it('is the channel’s to decide; lists follow, also after a half-finished attempt', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const { id } = channelOf(await create(world, token, 'random')) as { id: string };
    world.buckets.directory.down = true;
    expect((await world.call('conversations.archive', token, { channel: id })).json).toEqual({ ok: true });
    world.buckets.directory.down = false;
    world.sender.script = (_stream, { kind }) => (kind === 'archive' ? fail('already_archived') : undefined);
    const again = await world.call('conversations.archive', token, { channel: id });
    expect(again.json.error).toBe('already_archived');
    const listed = (await world.call('conversations.list', token, { exclude_archived: 'true' })).json['channels'];
    expect(listed).toEqual([]);
    expect((await world.call('conversations.list', token)).json['channels']).toMatchObject([{ is_archived: true }]);
  });
});

describe('conversations.list', () => {
  it('shows public channels to all, others to members, each once over pages of any size', async () => {
    const world = await makeWorld();
    const { id, token } = await world.user('alice');
    for (let i = 0; i < 7; i++) await create(world, token, `channel-${i}`);
    const mine = ['G0000000002', 'D0000000001', 'G0000000001'].map((channel) =>
      metaFor(channel, channel.startsWith('D') ? 'im' : channel === 'G0000000001' ? 'mpim' : 'private', 'U0000000001'),
    );
    world.sender.script = (_stream, command) => {
      if (command.kind !== 'memberships') return undefined;
      const channels = mine.map((meta) => ({ meta, channelSeq: 1 }));
      const page = command.after === undefined ? channels.slice(0, 2) : channels.slice(2);
      const next = command.after === undefined ? { next: mine[1]!.id } : {};
      return succeed({ channels: page, manualAway: false, seq: 1, ...next });
    };
    for (const limit of ['1', '3', '100']) {
      const seen: string[] = [];
      let cursor = '';
      do {
        const args = { types: 'public_channel,private_channel,mpim,im', limit, cursor };
        const { json } = await world.call('conversations.list', token, args);
        seen.push(...(json['channels'] as { id: string }[]).map((channel) => channel.id));
        cursor = (json['response_metadata'] as { next_cursor: string }).next_cursor;
      } while (cursor !== '');
      expect(seen).toHaveLength(10);
      expect(seen).toEqual([...seen].sort());
    }
    const onlyMine = (await world.call('users.conversations', token, { types: 'im,mpim', user: id })).json;
    expect(onlyMine['channels']).toMatchObject([{ id: 'D0000000001', user: 'U0000000001' }, { id: 'G0000000001' }]);
  });
});

describe('conversations.history', () => {
  it('passes bounds and cursor on, and words the page as Slack does', async () => {
    const world = await makeWorld();
    const { id, token } = await world.user('alice');
    const author = { user: id as never };
    world.sender.script = (_stream, command) => {
      if (command.kind !== 'history') return undefined;
      const seqs = command.before === undefined ? [9, 8] : [7];
      const messages = seqs.map((seq) => ({
        seq,
        event: {
          ts: 1e15 + seq,
          author: id,
          mutation: `m${seq}`,
          body: { kind: 'message', author, draft: { text: `${seq}` } },
        },
      }));
      return succeed({
        messages,
        more: command.before === undefined,
        ...(command.before === undefined ? { next: 8 } : {}),
      });
    };
    const bounds = { channel: 'C0000000001', oldest: '0', latest: formatTs(2e15), inclusive: '1', limit: '5000' };
    const { json } = await world.call('conversations.history', token, bounds);
    expect(json).toMatchObject({ oldest: '0.000000', latest: '2000000000.000000', has_more: true, pin_count: 0 });
    expect(json['messages']).toMatchObject([
      { type: 'message', text: '9', seq: 9 },
      { type: 'message', text: '8', seq: 8 },
    ]);
    const { next_cursor: cursor } = json['response_metadata'] as { next_cursor: string };
    const last = await world.call('conversations.history', token, { channel: 'C0000000001', cursor });
    expect(last.json).toMatchObject({ ok: true, has_more: false, messages: [{ seq: 7 }] });
    expect(last.json).not.toHaveProperty('response_metadata');
    expect(world.sender.commands('history')).toMatchObject([
      { oldest: 0, latest: 2e15, inclusive: true, limit: 999 },
      { before: 8, inclusive: false, limit: 100 },
    ]);
  });
});
