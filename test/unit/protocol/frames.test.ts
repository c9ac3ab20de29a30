import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ChannelMeta, DurableEvent, EventBody } from '../../../protocol/events.ts';
import {
  eventFrame,
  eventFrameBytes,
  historyMessage,
  historyMessageJson,
  isTopLevel,
  presenceFrame,
  resyncFrame,
  typingFrame,
} from '../../../protocol/frames.ts';
import type { AppId, BotId, ChannelId, MutationId, TeamId, UserId } from '../../../protocol/ids.ts';

const TEAM = 'T0TEAM' as TeamId;
const CHANNEL = 'C0GENERAL' as ChannelId;
const PRIVATE = 'G0SECRET' as ChannelId;
const ALICE = 'U0ALICE' as UserId;
const BOB = 'U0BOB00' as UserId;
const TS = 1_700_000_000_000_123;
const META: ChannelMeta = {
  id: CHANNEL,
  team: TEAM,
  kind: 'public',
  name: 'general',
  creator: ALICE,
  created: 1_700_000_000,
  isGeneral: false,
};

const event = (body: EventBody): DurableEvent => ({ ts: TS, author: ALICE, mutation: 'm' as MutationId, body });
const message = (rest = {}): EventBody => ({
  kind: 'message',
  author: { user: ALICE },
  draft: { text: 'hi', ...rest },
});
const membership = (kind: ChannelMeta['kind'], member: boolean): EventBody => ({
  kind: 'membership',
  meta: { ...META, kind },
  channelSeq: 4,
  member,
  actor: BOB,
});

describe('a message', () => {
  test('is Slack event with our seq, and the same as bytes', () => {
    const frame = eventFrame(CHANNEL, 7, event(message({ clientMsgId: 'c-1' })), TEAM);
    expect(frame).toEqual({
      type: 'message',
      channel: CHANNEL,
      user: ALICE,
      text: 'hi',
      ts: '1700000000.000123',
      event_ts: '1700000000.000123',
      team: TEAM,
      client_msg_id: 'c-1',
      seq: 7,
    });
    const bytes = eventFrameBytes(CHANNEL, 7, event(message({ clientMsgId: 'c-1' })), TEAM);
    expect(JSON.parse(bytes.toString())).toEqual(frame);
  });

  test.each([
    ['plain', { text: 'a "quoted" \u2028 line\n and \u{1F600}' }],
    ['with an id of its client', { text: '', clientMsgId: 'x"\\y' }],
    ['in a thread', { text: 'x', threadTs: TS }],
    ['with blocks', { text: 'x', blocks: [{ type: 'divider' }] }],
  ])('%s is the same text as bytes, as JSON and as an object', (_kind, draft) => {
    const one = event(message(draft));
    for (const team of [TEAM, undefined]) {
      expect(eventFrameBytes(CHANNEL, 7, one, team).toString()).toBe(JSON.stringify(eventFrame(CHANNEL, 7, one, team)));
      expect(historyMessageJson(7, one, team)).toBe(JSON.stringify(historyMessage(7, one, team)));
    }
  });

  test('in history has no channel, and keeps what the author sent', () => {
    const blocks = [{ type: 'divider' }];
    const found = historyMessage(7, event(message({ blocks, metadata: { event_type: 'x' } })));
    expect(found).toEqual({
      type: 'message',
      user: ALICE,
      text: 'hi',
      ts: '1700000000.000123',
      blocks,
      metadata: { event_type: 'x' },
      seq: 7,
    });
  });

  test('of a bot names the bot and its app, and has no subtype', () => {
    const bot = { id: 'B0BOT0' as BotId, app: 'A0APP0' as AppId, name: 'helper' };
    const frame = eventFrame(
      CHANNEL,
      1,
      event({ kind: 'message', author: { user: BOB, bot }, draft: { text: 'x' } }),
      TEAM,
    );
    expect(frame).toMatchObject({ user: BOB, bot_id: bot.id, app_id: bot.app, bot_profile: { name: 'helper' } });
    expect(frame).not.toHaveProperty('subtype');
  });

  test('in a thread is top level only when it was broadcast', () => {
    const reply = message({ threadTs: TS - 5 });
    const broadcast = message({ threadTs: TS - 5, broadcast: true });
    expect([message(), reply, broadcast].map(isTopLevel)).toEqual([true, false, true]);
    expect(eventFrame(CHANNEL, 2, event(reply))).toMatchObject({ thread_ts: '1700000000.000118' });
    expect(eventFrame(CHANNEL, 2, event(reply))).not.toHaveProperty('subtype');
    expect(eventFrame(CHANNEL, 2, event(broadcast))).toMatchObject({ subtype: 'thread_broadcast' });
  });
});

describe('membership', () => {
  test('in the channel names who and what kind', () => {
    expect(eventFrame(CHANNEL, 3, event({ kind: 'joined', user: BOB, inviter: ALICE }), TEAM)).toEqual({
      type: 'member_joined_channel',
      user: BOB,
      channel: CHANNEL,
      channel_type: 'C',
      team: TEAM,
      inviter: ALICE,
      event_ts: '1700000000.000123',
      seq: 3,
    });
    expect(eventFrame(PRIVATE, 3, event({ kind: 'left', user: BOB }))).toMatchObject({
      type: 'member_left_channel',
      channel_type: 'G',
    });
  });

  test.each([
    ['public', 'channel_joined', 'channel_left'],
    ['private', 'group_joined', 'group_left'],
    ['im', 'im_created', 'im_close'],
    ['mpim', 'mpim_joined', 'group_left'],
  ] as const)('in the own stream of a user, %s', (kind, joined, left) => {
    const come = eventFrame(ALICE, 5, event(membership(kind, true)));
    expect(come).toMatchObject({ type: joined, channel: { id: CHANNEL }, stream: ALICE, seq: 5 });
    const go = eventFrame(ALICE, 6, event(membership(kind, false)));
    expect(go).toMatchObject({ type: left, channel: CHANNEL, stream: ALICE, seq: 6 });
  });

  test('of an im names the other one', () => {
    expect(eventFrame(ALICE, 5, event(membership('im', true)))).toMatchObject({ user: BOB, channel: { user: BOB } });
  });
});

test('every kind of event has a frame with its seq: a client sees no hole', () => {
  const bodies: EventBody[] = [
    { kind: 'opened', meta: META, members: [ALICE] },
    message(),
    { kind: 'joined', user: BOB },
    { kind: 'left', user: BOB, actor: ALICE },
    { kind: 'archived', user: ALICE, archived: true },
    membership('public', true),
    { kind: 'manual-presence', presence: 'away' },
    { kind: 'notice', frame: { type: 'channel_created', channel: { id: CHANNEL } } },
  ];
  for (const body of bodies) {
    const frame = eventFrame(CHANNEL, 9, event(body), TEAM);
    expect(frame).toMatchObject({ seq: 9 });
    expect(typeof frame['type']).toBe('string');
    expect(historyMessage(9, event(body)) !== undefined).toBe(body.kind === 'message');
  }
});

test('transient frames have no seq', () => {
  expect(typingFrame(CHANNEL, BOB, TS)).toEqual({
    type: 'user_typing',
    channel: CHANNEL,
    user: BOB,
    thread_ts: '1700000000.000123',
  });
  expect(presenceFrame(BOB, 'away')).toEqual({ type: 'presence_change', user: BOB, presence: 'away' });
  expect(presenceFrame([BOB, ALICE], 'active')).toEqual({
    type: 'presence_change',
    users: [BOB, ALICE],
    presence: 'active',
  });
  expect(resyncFrame(CHANNEL, 4)).toEqual({ type: 'resync', channel: CHANNEL, from: 4 });
});

describe('docs/PROTOCOL.md', () => {
  const bot = { id: 'B0BOT' as BotId, app: 'A0APP' as AppId, name: 'bot' };
  const whole = { clientMsgId: 'c', blocks: [{}], attachments: [{}], metadata: {}, threadTs: TS, broadcast: true };
  const bodies: EventBody[] = [
    { kind: 'message', author: { user: ALICE, bot }, draft: { text: 'hi', ...whole } },
    { kind: 'opened', meta: META, members: [ALICE] },
    { kind: 'joined', user: ALICE, inviter: BOB },
    { kind: 'left', user: ALICE, actor: BOB },
    ...[true, false].map((archived): EventBody => ({ kind: 'archived', user: ALICE, archived })),
    ...(['public', 'private', 'im', 'mpim'] as const).flatMap((kind) => [
      membership(kind, true),
      membership(kind, false),
    ]),
    { kind: 'manual-presence', presence: 'away' },
    { kind: 'notice', frame: { type: 'team_join', user: {} } },
  ];
  const documented = readFileSync('docs/PROTOCOL.md', 'utf8');
  const rows = documented.split('\n').filter((line) => line.startsWith('| `'));

  test.each(bodies.map((body) => [body.kind, body] as const))(
    'describes the frames of %s with all their fields',
    (_, body) => {
      for (const stream of [CHANNEL, PRIVATE]) {
        const { type, event_ts, seq, ...rest } = eventFrame(stream, 1, event(body), TEAM);
        expect([typeof event_ts, typeof seq]).toEqual(['string', 'number']);
        const row = rows.find((line) => line.split('|')[1]!.includes(`\`${String(type)}\``));
        expect(row, String(type)).toBeDefined();
        for (const field of Object.keys(rest)) expect(row, String(type)).toContain(`\`${field}\``);
      }
    },
  );

  test('describes those without a seq', () => {
    const said = documented.slice(documented.indexOf('Not durable'), documented.indexOf('### Close codes'));
    for (const frame of [
      typingFrame(CHANNEL, ALICE, TS),
      presenceFrame(ALICE, 'away'),
      presenceFrame([ALICE], 'away'),
    ]) {
      for (const field of Object.keys(frame).filter((name) => name !== 'type')) expect(said).toContain(`\`${field}\``);
      expect(said).toContain(`\`${String(frame['type'])}\``);
    }
  });
});
