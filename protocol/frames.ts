/**
 * Frames: what clients see of a durable event, live on the socket and as a message of history, and the transient
 * frames. Shapes: Slack's RTM events and message objects; ours are `seq` and `stream`.
 *
 * Invariants:
 * F1  Every durable event has a frame, so that the `seq` values a client sees on a stream have no hole.
 * F2  The frame is a function of the event alone: live, after a gap and on resume it is the same.
 * F3  `seq` counts in the stream that `channel` names, unless `stream` names another (U…, T…).
 */
import type { Author, ChannelMeta, DurableEvent, EventBody, MessageDraft, Presence } from './events.ts';
import type { ChannelId, StreamId, TeamId, UserId } from './ids.ts';
import { formatTs } from './timestamp.ts';

export type Frame = Readonly<Record<string, unknown>>;
type Message = Extract<EventBody, { kind: 'message' }>;
type Membership = Extract<EventBody, { kind: 'membership' }>;

/** The RTM frame of an event. `team` is added to the kinds that carry one; one cluster serves one team. */
export function eventFrame(stream: StreamId, seq: number, event: DurableEvent, team?: TeamId): Frame {
  const { body } = event;
  const event_ts = formatTs(event.ts);
  const channel = stream;
  switch (body.kind) {
    case 'message':
      return messageFrame(stream, seq, event, body, team);
    case 'opened':
      return { type: 'conversation_opened', channel, user: body.meta.creator, event_ts, seq };
    case 'joined':
      return {
        ...memberFrame('member_joined_channel', stream, body.user, team),
        ...present('inviter', body.inviter),
        event_ts,
        seq,
      };
    case 'left':
      return {
        ...memberFrame('member_left_channel', stream, body.user, team),
        ...present('actor_id', body.actor),
        event_ts,
        seq,
      };
    case 'archived':
      return { type: archiveType(stream, body.archived), channel, user: body.user, event_ts, seq };
    case 'membership':
      return { ...membershipFrame(body), event_ts, stream, seq };
    case 'manual-presence':
      return { type: 'manual_presence_change', presence: body.presence, event_ts, stream, seq };
    case 'notice':
      return { ...body.frame, event_ts, stream, seq };
    default:
      return body satisfies never;
  }
}

/** The frame as the UTF-8 JSON that goes out on sockets. */
export function eventFrameBytes(stream: StreamId, seq: number, event: DurableEvent, team?: TeamId): Buffer {
  if (event.body.kind === 'message' && isPlain(event.body))
    return plainMessage(stream, seq, event.ts, event.body, team);
  return Buffer.from(JSON.stringify(eventFrame(stream, seq, event, team)));
}

/** Nothing but text, which most messages are: their frame is put together by hand, for every one passes here. */
function isPlain({ author, draft }: Message): boolean {
  if (author.bot !== undefined || draft.threadTs !== undefined) return false;
  return draft.blocks === undefined && draft.attachments === undefined && draft.metadata === undefined;
}

/** The same text as eventFrame's: ids need no escaping. */
function plainMessage(stream: StreamId, seq: number, micros: number, body: Message, team: TeamId | undefined): Buffer {
  const ts = formatTs(micros);
  const stamps = `"ts":"${ts}","event_ts":"${ts}"`;
  return Buffer.from(`{"type":"message","channel":"${stream}",${plainFields(seq, stamps, body, team)}`);
}

/** What plain messages of sockets and of history have in common, up to the end. */
function plainFields(seq: number, stamps: string, { author, draft }: Message, team: TeamId | undefined): string {
  const { text, clientMsgId } = draft;
  const named = team === undefined ? '' : `"team":"${team}",`;
  const id = clientMsgId === undefined ? '' : `"client_msg_id":${JSON.stringify(clientMsgId)},`;
  return `"user":"${author.user}","text":${JSON.stringify(text)},${stamps},${named}${id}"seq":${seq}}`;
}

/** The message object of history and of chat.postMessage's answer; undefined for an event that is no message. */
export function historyMessage(seq: number, event: DurableEvent, team?: TeamId): Frame | undefined {
  if (event.body.kind !== 'message') return undefined;
  const ts = formatTs(event.ts);
  const { author, draft } = event.body;
  return {
    type: 'message',
    ...who(author),
    text: draft.text,
    ts,
    ...present('team', team),
    ...extras(draft),
    ...botOf(author, team),
    seq,
  };
}

/** historyMessage's object as JSON. */
export function historyMessageJson(seq: number, event: DurableEvent, team?: TeamId): string | undefined {
  const { body } = event;
  if (body.kind !== 'message' || !isPlain(body)) return JSON.stringify(historyMessage(seq, event, team));
  return `{"type":"message",${plainFields(seq, `"ts":"${formatTs(event.ts)}"`, body, team)}`;
}

/** Whether conversations.history shows it: top-level messages, and replies that were broadcast to the channel. */
export function isTopLevel(body: EventBody): boolean {
  return body.kind === 'message' && (body.draft.threadTs === undefined || body.draft.broadcast === true);
}

export function typingFrame(channel: StreamId, user: UserId, threadTs?: number): Frame {
  const thread = threadTs === undefined ? {} : { thread_ts: formatTs(threadTs) };
  return { type: 'user_typing', channel, user, ...thread };
}

/** One user, or several for a session that said batch_presence_aware. */
export function presenceFrame(who: UserId | readonly UserId[], presence: Presence): Frame {
  return typeof who === 'string'
    ? { type: 'presence_change', user: who, presence }
    : { type: 'presence_change', users: who, presence };
}

/** The events after `from` cannot be replayed one by one; U and T streams are named by `stream` besides. */
export function resyncFrame(stream: StreamId, from: number): Frame {
  return { type: 'resync', channel: stream, from };
}

function messageFrame(
  stream: StreamId,
  seq: number,
  event: DurableEvent,
  body: Message,
  team: TeamId | undefined,
): Frame {
  const ts = formatTs(event.ts);
  const { author, draft } = body;
  const frame = { type: 'message', channel: stream, ...who(author), text: draft.text, ts, event_ts: ts };
  return { ...frame, ...present('team', team), ...extras(draft), ...botOf(author, team), seq };
}

function who(author: Author): { user: UserId; bot_id?: string; app_id?: string } {
  const { user, bot } = author;
  return bot === undefined ? { user } : { user, bot_id: bot.id, app_id: bot.app };
}

function botOf({ bot }: Author, team: TeamId | undefined): Frame {
  if (bot === undefined) return {};
  const profile = { id: bot.id, app_id: bot.app, name: bot.name, deleted: false, ...present('team_id', team) };
  return { bot_profile: profile };
}

function extras(draft: MessageDraft): Frame {
  const fields: Record<string, unknown> = {};
  if (draft.clientMsgId !== undefined) fields['client_msg_id'] = draft.clientMsgId;
  if (draft.blocks !== undefined) fields['blocks'] = draft.blocks;
  if (draft.attachments !== undefined) fields['attachments'] = draft.attachments;
  if (draft.metadata !== undefined) fields['metadata'] = draft.metadata;
  if (draft.threadTs !== undefined) {
    fields['thread_ts'] = formatTs(draft.threadTs);
    if (draft.broadcast === true) fields['subtype'] = 'thread_broadcast';
  }
  return fields;
}

function memberFrame(type: string, channel: StreamId, user: UserId, team: TeamId | undefined): Frame {
  return { type, user, channel, channel_type: channel.startsWith('C') ? 'C' : 'G', ...present('team', team) };
}

function archiveType(channel: StreamId, archived: boolean): string {
  return `${channel.startsWith('C') ? 'channel' : 'group'}_${archived ? 'archive' : 'unarchive'}`;
}

const JOINED = { public: 'channel_joined', private: 'group_joined', im: 'im_created', mpim: 'mpim_joined' } as const;
const LEFT = { public: 'channel_left', private: 'group_left', im: 'im_close', mpim: 'group_left' } as const;

function membershipFrame(body: Membership): Frame {
  const { meta, actor } = body;
  if (!body.member) return { type: LEFT[meta.kind], channel: meta.id, ...present('actor_id', actor) };
  // In an im the actor is the other one.
  if (meta.kind === 'im') return { type: 'im_created', user: actor ?? meta.creator, channel: imObject(meta, actor) };
  return { type: JOINED[meta.kind], channel: conversationObject(meta) };
}

function imObject(meta: ChannelMeta, other: UserId | undefined): Frame {
  return { id: meta.id, created: meta.created, is_im: true, is_org_shared: false, user: other ?? meta.creator };
}

/** The parts of Slack's channel object that membership frames need. */
function conversationObject(meta: ChannelMeta): Frame {
  return {
    id: meta.id,
    name: meta.name,
    name_normalized: meta.name,
    is_channel: meta.kind === 'public',
    is_group: meta.kind === 'private',
    is_im: false,
    is_mpim: meta.kind === 'mpim',
    is_private: meta.kind !== 'public',
    is_general: meta.isGeneral,
    is_archived: false,
    is_member: true,
    created: meta.created,
    creator: meta.creator,
    context_team_id: meta.team,
  };
}

function present<K extends string>(key: K, value: ChannelId | UserId | TeamId | undefined): Frame {
  return value === undefined ? {} : { [key]: value };
}
