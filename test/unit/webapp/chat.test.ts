import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Failure } from '../../../protocol/errors.ts';
import { directChannelId, parseUserId } from '../../../protocol/ids.ts';
import { parseDraft } from '../../../webapp/message-draft.ts';
import { CHANNEL, fail, makeWorld, TEAM, type World } from '../../support/webapp-world.ts';

const post = (world: World, token: string, args: Record<string, string>) =>
  world.call('chat.postMessage', token, { channel: CHANNEL, ...args });

describe('chat.postMessage', () => {
  it('answers with the message as it stands in the log', async () => {
    const world = await makeWorld();
    const { id, token } = await world.user('alice');
    const { json } = await post(world, token, { text: 'héllo', client_msg_id: 'abc', username: 'ignored' });
    expect(json).toEqual({
      ok: true,
      channel: CHANNEL,
      ts: '1700000000.000001',
      message: {
        ...{ type: 'message', user: id, text: 'héllo', ts: '1700000000.000001', team: TEAM },
        ...{ client_msg_id: 'abc', seq: 1 },
      },
    });
    expect(world.sender.commands('post')).toEqual([
      {
        kind: 'post',
        author: { user: id },
        draft: { text: 'héllo', clientMsgId: 'abc' },
        mutation: 'abc',
      },
    ]);
  });

  it('gives each post that names no client_msg_id an id of its own', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    for (let i = 0; i < 3; i++) await post(world, token, { text: 'hi' });
    expect(new Set(world.sender.commands('post').map(({ mutation }) => mutation)).size).toBe(3);
  });

  it('takes a channel’s name, with or without #', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const made = await world.call('conversations.create', token, { name: 'random' });
    const { id } = made.json['channel'] as { id: string };
    for (const channel of ['random', '#random']) {
      expect((await post(world, token, { channel, text: 'hi' })).json['channel']).toBe(id);
    }
    expect((await post(world, token, { channel: '#nowhere', text: 'hi' })).json.error).toBe('channel_not_found');
  });

  it('to a user’s id opens the direct conversation, once', async () => {
    const world = await makeWorld();
    const [alice, bob] = [await world.user('alice'), await world.user('bob')];
    const direct = directChannelId(TEAM, [parseUserId(alice.id)!, parseUserId(bob.id)!]);
    world.sender.script = (stream, { kind }) =>
      kind === 'post' && !world.sender.metas.has(stream) ? fail('channel_not_found') : undefined;
    for (let i = 0; i < 2; i++) {
      expect((await post(world, alice.token, { channel: bob.id, text: 'hi' })).json).toMatchObject({
        ok: true,
        channel: direct,
      });
    }
    expect(world.sender.commands('open')).toMatchObject([{ meta: { kind: 'im' }, members: [alice.id, bob.id] }]);
    expect((await post(world, alice.token, { channel: 'U0000000009', text: 'hi' })).json.error).toBe(
      'channel_not_found',
    );
  });

  const blocks = (count: number) => JSON.stringify(Array.from({ length: count }, () => ({ type: 'divider' })));
  it.each([
    [{ channel: '' }, 'channel_not_found'],
    [{ channel: 'no id at all', text: 'a' }, 'channel_not_found'],
    [{}, 'no_text'],
    [{ text: '' }, 'no_text'],
    [{ text: ' \n' }, 'no_text'],
    [{ blocks: '[]' }, 'no_text'],
    [{ text: 'x'.repeat(40_001) }, 'msg_too_long'],
    [{ text: '😀'.repeat(40_001) }, 'msg_too_long'],
    [{ markdown_text: 'x'.repeat(12_001) }, 'msg_too_long'],
    [{ text: 'a', markdown_text: 'b' }, 'markdown_text_conflict'],
    [{ text: 'a', blocks: '{"type":"divider"}' }, 'invalid_blocks_format'],
    [{ text: 'a', blocks: '[{' }, 'invalid_blocks_format'],
    [{ text: 'a', blocks: '[1]' }, 'invalid_blocks'],
    [{ text: 'a', blocks: '[{}]' }, 'invalid_blocks'],
    [{ text: 'a', blocks: blocks(51) }, 'invalid_blocks'],
    [{ text: 'a', blocks: `[{"type":"x","y":"${'y'.repeat(131_073)}"}]` }, 'msg_blocks_too_long'],
    [{ text: 'a', blocks: `[{"type":"x","y":${'['.repeat(9_000)}${']'.repeat(9_000)}}]` }, 'invalid_blocks'],
    [{ text: 'a', attachments: '"x"' }, 'invalid_attachments'],
    [{ text: 'a', attachments: blocks(101) }, 'too_many_attachments'],
    [{ text: 'a', attachments: `[{"y":"${'y'.repeat(131_073)}"}]` }, 'attachment_payload_limit_exceeded'],
    [{ text: 'a', metadata: '{}' }, 'invalid_metadata_format'],
    [{ text: 'a', metadata: '{"event_type":"a","event_payload":[]}' }, 'invalid_metadata_format'],
    [{ text: 'a', thread_ts: 'yesterday' }, 'invalid_arguments'],
    [{ text: 'a', client_msg_id: 'x'.repeat(129) }, 'invalid_arguments'],
  ])('refuses %j', async (args: Record<string, string>, error) => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const { status, json } = await post(world, token, args);
    expect({ status, error: json.error }).toEqual({ status: 200, error });
    expect(world.sender.sent).toEqual([]);
  });

  it('takes as much as the limits say', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const largest = [{ text: 'x'.repeat(40_000) }, { text: '😀'.repeat(40_000) }, { blocks: blocks(50) }];
    for (const args of [...largest, { attachments: blocks(100) }, { markdown_text: '*hi*' }]) {
      expect((await post(world, token, args as never)).json.ok).toBe(true);
    }
  });

  it('passes threads, broadcasts and metadata on', async () => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    const metadata = { event_type: 'a', event_payload: { b: 1 } };
    const thread = { thread_ts: '1700000000.000100', reply_broadcast: 'True', metadata: JSON.stringify(metadata) };
    const { json } = await post(world, token, { text: 'a', ...thread });
    expect(json['message']).toMatchObject({ thread_ts: thread.thread_ts, subtype: 'thread_broadcast', metadata });
  });
});

describe('what the channel answers', () => {
  const UNKNOWN: Failure = { kind: 'unknown', reason: 'silence' };
  const RETRYABLE: Failure = { kind: 'retryable', reason: 'moving' };

  const answer = async (failure: Failure, args: Record<string, string> = {}) => {
    const world = await makeWorld();
    const { token } = await world.user('alice');
    world.sender.script = () => ({ ok: false, failure });
    const { status, headers, json } = await post(world, token, { text: 'hi', ...args });
    return { status, retryAfter: headers['retry-after'], error: json.error };
  };

  it('reaches the client as it stands when it is a refusal', async () => {
    for (const error of ['not_in_channel', 'is_archived', 'channel_not_found'] as const) {
      expect(await answer({ kind: 'rejected', error })).toEqual({ status: 200, retryAfter: undefined, error });
    }
  });

  it('is 503 where a retry cannot double the post', async () => {
    const retry = { status: 503, retryAfter: '1', error: 'service_unavailable' };
    expect(await answer(RETRYABLE)).toEqual(retry);
    expect(await answer(RETRYABLE, { client_msg_id: 'a' })).toEqual(retry);
    expect(await answer(UNKNOWN, { client_msg_id: 'a' })).toEqual(retry);
  });

  it('is HTTP 200 where a retry could double it', async () => {
    expect(await answer(UNKNOWN)).toEqual({ status: 200, retryAfter: undefined, error: 'service_unavailable' });
  });
});

describe('parseDraft', () => {
  it('makes of anything a draft within the limits, or an error', () => {
    const value = fc.oneof(fc.string(), fc.json(), fc.jsonValue(), fc.constant(undefined), fc.double());
    const names = ['text', 'blocks', 'attachments', 'metadata', 'markdown_text', 'thread_ts', 'client_msg_id'];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value), (args) => {
        const outcome = parseDraft(args);
        if (!outcome.ok) {
          expect(outcome.error).toMatch(/^[a-z_]+$/);
          return;
        }
        const { text, blocks = [], attachments = [], clientMsgId = 'x' } = outcome.draft;
        expect(typeof text).toBe('string');
        expect(Array.isArray(blocks) && Array.isArray(attachments)).toBe(true);
        expect(clientMsgId.length).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});
