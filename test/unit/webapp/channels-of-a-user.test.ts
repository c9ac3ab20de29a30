/** How many channels a user may be in, and that the list of them is whole. */
import { describe, expect, it } from 'vitest';
import { limits } from '../../../platform/limits.ts';
import { fail, infoOf, makeWorld, metaFor, succeed } from '../../support/webapp-world.ts';

describe("a user's channels", () => {
  it('ofs by none, whichever way, and nothing else changes for them', async () => {
    const world = await makeWorld();
    const [alice, bob] = [await world.user('alice'), await world.user('bob')];
    const info = infoOf(metaFor('C0000000001', 'public', alice.id));
    const before = await world.call('conversations.open', alice.token, { users: bob.id });
    world.sender.script = (stream, command) => {
      if (command.kind === 'memberships' && stream === bob.id) {
        return succeed({ channels: [], manualAway: false, seq: 0, full: true });
      }
      if (command.kind === 'join') return command.full === true ? fail('too_many_channels') : succeed({ info });
      return command.kind === 'invite' ? succeed({ info, failed: [] }) : undefined;
    };
    const channel = 'C0000000001';
    expect((await world.call('conversations.join', bob.token, { channel })).json.error).toBe('too_many_channels');
    expect((await world.call('conversations.join', alice.token, { channel })).json.ok).toBe(true);
    expect((await world.call('conversations.create', bob.token, { name: 'mine' })).json.error).toBe(
      'too_many_channels',
    );
    expect((await world.call('conversations.create', alice.token, { name: 'mine' })).json.ok).toBe(true);
    const withBob = { users: `${bob.id},${(await world.user('carol')).id}` };
    const opened = await world.call('conversations.open', alice.token, withBob);
    expect(opened.json.error).toBe('too_many_channels');
    const again = await world.call('conversations.open', bob.token, { users: alice.id });
    expect(again.json).toMatchObject({ already_open: true, channel: before.json['channel'] });
    await world.call('conversations.invite', alice.token, { channel, ...withBob });
    expect(world.sender.commands('invite')).toMatchObject([{ full: [bob.id] }]);
  });

  it('do not grow while they cannot be counted: the client may try again', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    world.sender.script = (_stream, { kind }) =>
      kind === 'memberships' ? { ok: false, failure: { kind: 'retryable', reason: 'no owner' } } : undefined;
    const { status, json } = await world.call('conversations.join', token, { channel: 'C0000000001' });
    expect([status, json.error]).toEqual([503, 'service_unavailable']);
    expect(world.sender.commands('join')).toEqual([]);
  });

  it('are all listed, over any number of answers', async () => {
    const world = await makeWorld();
    const { id, token } = await world.user('alice');
    const all = Array.from({ length: limits.channelsPerUserMax + 300 }, (_, at) => ({
      meta: metaFor(`C${String(at).padStart(10, '0')}`, 'public', id),
      channelSeq: 1,
    }));
    world.sender.script = (_stream, command) => {
      if (command.kind !== 'memberships') return undefined;
      const from = command.after === undefined ? 0 : Number(command.after.slice(1)) + 1;
      const channels = all.slice(from, from + 1_600);
      const next = from + 1_600 < all.length ? { next: channels.at(-1)!.meta.id } : {};
      return succeed({ channels, manualAway: false, seq: 1, ...next });
    };
    const seen: string[] = [];
    for (let cursor = ''; seen.length === 0 || cursor !== ''; ) {
      const { json } = await world.call('users.conversations', token, { limit: '1000', cursor });
      seen.push(...(json['channels'] as { id: string }[]).map((channel) => channel.id));
      cursor = (json['response_metadata'] as { next_cursor: string }).next_cursor;
    }
    expect(seen).toEqual(all.map(({ meta }) => meta.id));
  });

  it('are not listed at all where the answers do not end: no list is cut', async () => {
    const world = await makeWorld();
    const { id, token } = await world.user('alice');
    let at = 0;
    world.sender.script = (_stream, { kind }) => {
      if (kind !== 'memberships') return undefined;
      const meta = metaFor(`C${String((at += 1)).padStart(10, '0')}`, 'public', id);
      return succeed({ channels: [{ meta, channelSeq: 1 }], manualAway: false, seq: 1, next: meta.id });
    };
    const { status, json } = await world.call('users.conversations', token);
    expect([status, json.error]).toEqual([503, 'service_unavailable']);
  });
});
