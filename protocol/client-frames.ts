/**
 * What RTM clients send, parsed once from the bytes of a WebSocket frame into plain values.
 *
 * Invariants:
 * C1  It never throws: what is malformed becomes a `bad` frame, to be answered with an error frame.
 * C2  An `id` is optional wherever its absence does no harm; a bridge in the wild starts at 0.
 * C3  What is echoed to a client (a ping's extras) is scalars only, so that no nesting can exhaust a stack.
 */
import { limits } from '../platform/limits.ts';
import {
  parseChannelId,
  parseMutationId,
  parseStreamId,
  parseUserId,
  type ChannelId,
  type MutationId,
  type StreamId,
  type UserId,
} from './ids.ts';
import { parseTs } from './timestamp.ts';

export type Scalar = string | number | boolean | null;

export type ClientFrame =
  | {
      readonly kind: 'message';
      readonly id: number | undefined;
      readonly channel: ChannelId;
      readonly text: string;
      /** Microseconds. */
      readonly threadTs: number | undefined;
      readonly clientMsgId: MutationId | undefined;
    }
  | {
      readonly kind: 'ping';
      readonly id: number | undefined;
      readonly extras: ReadonlyArray<readonly [string, Scalar]>;
    }
  | { readonly kind: 'typing'; readonly channel: ChannelId; readonly threadTs: number | undefined }
  | { readonly kind: 'presence-sub'; readonly id: number | undefined; readonly users: readonly UserId[] }
  | { readonly kind: 'presence-query'; readonly id: number | undefined; readonly users: readonly UserId[] }
  | {
      readonly kind: 'resume';
      readonly id: number | undefined;
      readonly cursors: ReadonlyArray<readonly [StreamId, number]>;
      readonly last: boolean;
    }
  | { readonly kind: 'bad'; readonly id: number | undefined; readonly code: number; readonly message: string };

/** Error codes in error frames. 1 and 2 are Slack's; the rest are ours. */
export const FRAME_ERROR = {
  /** The ticket is used or expired. */
  urlExpired: 1,
  /** The frame, or what it asks for, is wrong: sending it again changes nothing. */
  rejected: 2,
  /** Not now: try again later. */
  unavailable: 3,
  /** Too many frames. */
  rateLimited: 4,
} as const;

type Fields = Readonly<Record<string, unknown>>;

export function parseClientFrame(bytes: Uint8Array): ClientFrame {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    return bad(undefined, 'invalid_json');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad(undefined, 'json_not_object');
  return parseFields(value as Fields);
}

function parseFields(fields: Fields): ClientFrame {
  const id = parseId(fields['id']);
  switch (fields['type']) {
    case 'message':
      return parseMessage(id, fields);
    case 'ping':
      return { kind: 'ping', id, extras: scalarsOf(fields) };
    case 'typing':
      return parseTyping(id, fields);
    case 'presence_sub':
      return parsePresence('presence-sub', id, fields['ids']);
    case 'presence_query':
      return parsePresence('presence-query', id, fields['ids']);
    case 'resume':
      return parseResume(id, fields);
    case undefined:
      return bad(id, 'type is missing');
    default:
      return bad(id, 'unknown type');
  }
}

function parseMessage(id: number | undefined, fields: Fields): ClientFrame {
  const channel = parseChannelId(fields['channel']);
  const { text } = fields;
  if (channel === undefined) return bad(id, 'channel_not_found');
  if (typeof text !== 'string' || text === '') return bad(id, 'message text is missing');
  if (text.length > limits.textCharsMax) return bad(id, 'msg_too_long');
  const threadTs = isGiven(fields['thread_ts']) ? parseTs(fields['thread_ts']) : undefined;
  if (isGiven(fields['thread_ts']) && threadTs === undefined) return bad(id, 'bad_timestamp');
  const clientMsgId = isGiven(fields['client_msg_id']) ? parseMutationId(fields['client_msg_id']) : undefined;
  if (isGiven(fields['client_msg_id']) && clientMsgId === undefined) return bad(id, 'invalid client_msg_id');
  return { kind: 'message', id, channel, text, threadTs, clientMsgId };
}

function parseTyping(id: number | undefined, fields: Fields): ClientFrame {
  const channel = parseChannelId(fields['channel']);
  if (channel === undefined) return bad(id, 'channel_not_found');
  return { kind: 'typing', channel, threadTs: parseTs(fields['thread_ts']) };
}

/** Ids that are none are left out: presence of nobody is nothing. */
function parsePresence(kind: 'presence-sub' | 'presence-query', id: number | undefined, ids: unknown): ClientFrame {
  if (!Array.isArray(ids)) return bad(id, 'ids is missing');
  if (ids.length > limits.presenceQueryIdsMax) return bad(id, 'too_many_users');
  const users = ids.map(parseUserId).filter((user) => user !== undefined);
  return { kind, id, users: [...new Set(users)] };
}

function parseResume(id: number | undefined, fields: Fields): ClientFrame {
  const given = fields['cursors'];
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return bad(id, 'cursors is missing');
  const cursors: [StreamId, number][] = [];
  for (const [name, seq] of Object.entries(given)) {
    const stream = parseStreamId(name);
    if (stream === undefined || !Number.isSafeInteger(seq) || (seq as number) < 0) return bad(id, 'invalid cursor');
    cursors.push([stream, seq as number]);
  }
  return { kind: 'resume', id, cursors, last: fields['last'] !== false };
}

const PING_EXTRAS_MAX = 32;

function scalarsOf(fields: Fields): [string, Scalar][] {
  const extras: [string, Scalar][] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'type' || name === 'id' || name === 'reply_to') continue;
    if (isScalar(value)) extras.push([name, value]);
    if (extras.length === PING_EXTRAS_MAX) break;
  }
  return extras;
}

function isScalar(value: unknown): value is Scalar {
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function parseId(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}

function bad(id: number | undefined, message: string): ClientFrame {
  return { kind: 'bad', id, code: FRAME_ERROR.rejected, message };
}

/** The answer to a frame that failed; one without an id cannot be replied to, and gets a bare error frame. */
export function errorFrame(id: number | undefined, code: number, message: string): Buffer {
  const error = { code, msg: message };
  return jsonFrame(id === undefined ? { type: 'error', error } : { ok: false, reply_to: id, error });
}

export function pongFrame(id: number | undefined, extras: ReadonlyArray<readonly [string, Scalar]>): Buffer {
  const head = id === undefined ? { type: 'pong' } : { type: 'pong', reply_to: id };
  return jsonFrame({ ...Object.fromEntries(extras), ...head });
}

export function postAckFrame(id: number | undefined, ts: string, text: string, seq: number): Buffer {
  return jsonFrame({ ok: true, ...(id === undefined ? {} : { reply_to: id }), ts, text, seq });
}

export function jsonFrame(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
