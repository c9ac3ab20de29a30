/**
 * Envelopes and replies on the wire: msgpack arrays, since every command passes here twice.
 *
 *   envelope [format, requestId, stream id | slot number, command, via region | null, via incarnation | null]
 *   bundle   [format, slot, requestId, envelope's bytes, and so on: three per command]
 *   replies  [format, requestId, ok ? 1 : 0, result | failure, and so on: three per reply]
 *
 * Invariants:
 * E1  A decoder gives a value of the declared shape or throws DecodeError; what an actor reads of a command has been
 *     checked here. Unknown extra fields pass, so that release N reads what N+1 sends.
 * E2  Sizes are checked before a byte is parsed.
 */
import { decodeVersioned, encode } from './codec.ts';
import type { Envelope, GatewayRef, Reply, SlotCommand, StreamCommand } from './commands.ts';
import { DecodeError, type Failure } from './errors.ts';
import { parseIncarnation, parseMutationId, parseStreamId, parseUserId } from './ids.ts';

export const ENVELOPE_FORMAT = 1;
/** Beyond: the sender is told `invalid_arguments`; a receiver drops it as malformed. */
export const ENVELOPE_BYTES_MAX = 512 * 1024;
/** Beyond: a decoder refuses it; actors cut their pages well below, and bundles before. */
export const REPLIES_BYTES_MAX = 1024 * 1024;

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const target = envelope.to === 'stream' ? envelope.stream : envelope.slot;
  const { via } = envelope;
  return encode([
    ENVELOPE_FORMAT,
    envelope.requestId,
    target,
    envelope.command,
    via === undefined ? null : via.region,
    via === undefined ? null : via.incarnation,
  ]);
}

/** Byte strings inside are views into `bytes`. @throws DecodeError */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const [, requestId, target, command, region, incarnation] = decodeVersioned(
    'envelope',
    bytes,
    ENVELOPE_BYTES_MAX,
    ENVELOPE_FORMAT,
  );
  if (!isCount(requestId)) throw malformed('request id');
  const via = decodeVia(region, incarnation);
  if (typeof target === 'number') {
    if (!isCount(target) || !isSlotCommand(command)) throw malformed('slot command');
    return { to: 'slot', requestId, slot: target, command, ...via };
  }
  const stream = parseStreamId(target);
  if (stream === undefined || !isStreamCommand(command)) throw malformed('stream command');
  return { to: 'stream', requestId, stream, command, ...via };
}

/** A command as it travels in a bundle: where to, and its envelope. */
export interface BundledCommand {
  readonly slot: number;
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** Commands of one sender to slots of one worker. */
export function encodeBundle(commands: readonly BundledCommand[]): Uint8Array {
  const fields: unknown[] = [ENVELOPE_FORMAT];
  for (const { slot, id, bytes } of commands) fields.push(slot, id, bytes);
  return encode(fields);
}

/** The envelopes are not looked into; they are views into `bytes`. @throws DecodeError */
export function decodeBundle(bytes: Uint8Array): readonly BundledCommand[] {
  const fields = decodeVersioned('bundle', bytes, ENVELOPE_BYTES_MAX, ENVELOPE_FORMAT);
  const commands: BundledCommand[] = [];
  for (let at = 1; at < fields.length; at += 3) {
    const [slot, id, envelope] = [fields[at], fields[at + 1], fields[at + 2]];
    if (!isCount(slot) || !isCount(id) || !(envelope instanceof Uint8Array)) {
      throw new DecodeError('bundle', 'malformed command');
    }
    commands.push({ slot, id, bytes: envelope });
  }
  return commands;
}

export function encodeReplies(replies: readonly Reply[]): Uint8Array {
  const fields: unknown[] = [ENVELOPE_FORMAT];
  for (const reply of replies) fields.push(reply.requestId, reply.ok ? 1 : 0, reply.ok ? reply.result : reply.failure);
  return encode(fields);
}

/** The results are as their sender made them: workers are trusted with their shape. @throws DecodeError */
export function decodeReplies(bytes: Uint8Array): readonly Reply[] {
  const fields = decodeVersioned('replies', bytes, REPLIES_BYTES_MAX, ENVELOPE_FORMAT);
  const replies: Reply[] = [];
  for (let at = 1; at < fields.length; at += 3) replies.push(decodeReply(fields[at], fields[at + 1], fields[at + 2]));
  return replies;
}

function decodeReply(requestId: unknown, ok: unknown, value: unknown): Reply {
  if (!isCount(requestId)) throw new DecodeError('replies', 'malformed request id');
  if (ok === 1) return { requestId, ok: true, result: value };
  if (ok !== 0 || !isFailure(value)) throw new DecodeError('replies', 'malformed failure');
  return { requestId, ok: false, failure: value };
}

function decodeVia(region: unknown, incarnation: unknown): { via?: GatewayRef } {
  if (region === null && incarnation === null) return {};
  const life = parseIncarnation(incarnation);
  if (typeof region !== 'string' || life === undefined) throw malformed('via');
  return { via: { region, incarnation: life } };
}

type Fields = Readonly<Record<string, unknown>>;
type Check = (fields: Fields) => boolean;

const streamChecks: Readonly<Record<StreamCommand['kind'], Check>> = {
  open: (c) => isMeta(c['meta']) && isUsers(c['members']) && isMutation(c['mutation']),
  post: (c) => isAuthor(c['author']) && isDraft(c['draft']) && isMutation(c['mutation']) && isOptionalText(c['origin']),
  join: (c) => isUser(c['user']) && isMutation(c['mutation']) && isOptionalTrue(c['full']),
  leave: (c) => isUser(c['user']) && isMutation(c['mutation']),
  invite: (c) =>
    isUser(c['by']) &&
    isUsers(c['users']) &&
    isMutation(c['mutation']) &&
    typeof c['force'] === 'boolean' &&
    (c['full'] === undefined || isUsers(c['full'])),
  kick: (c) => isUser(c['by']) && isUser(c['user']) && isMutation(c['mutation']),
  archive: (c) => isUser(c['by']) && typeof c['archived'] === 'boolean' && isMutation(c['mutation']),
  info: (c) => isUser(c['viewer']),
  members: (c) => isUser(c['viewer']) && (c['after'] === undefined || isUser(c['after'])) && isCount(c['limit']),
  history: (c) =>
    isUser(c['viewer']) &&
    isCount(c['limit']) &&
    isOptionalNumber(c['oldest']) &&
    isOptionalNumber(c['latest']) &&
    typeof c['inclusive'] === 'boolean' &&
    isOptionalNumber(c['before']),
  typing: (c) => isUser(c['user']) && isOptionalText(c['origin']) && isOptionalNumber(c['threadTs']),
  'note-membership': (c) =>
    isMeta(c['meta']) &&
    isCount(c['channelSeq']) &&
    typeof c['member'] === 'boolean' &&
    (c['actor'] === undefined || isUser(c['actor'])),
  memberships: (c) => c['limit'] === undefined || isCount(c['limit']),
  'set-presence': (c) => (c['presence'] === 'auto' || c['presence'] === 'away') && isMutation(c['mutation']),
  'get-presence': () => true,
  notice: (c) => isRecord(c['frame']) && isMutation(c['mutation']) && isUser(c['by']),
};

const slotChecks: Readonly<Record<SlotCommand['kind'], Check>> = {
  cursors: (c) => isGateway(c['gateway']) && isListOf(c['entries'], isCursor),
  forget: (c) => isGateway(c['gateway']) && isListOf(c['streams'], isStream),
  events: (c) => isListOf(c['entries'], isRange),
  admit: (c) => isGateway(c['gateway']) && isListOf(c['entries'], isAdmissionRequest),
  sessions: (c) => isGateway(c['gateway']) && typeof c['at'] === 'number' && isListOf(c['entries'], isSessionCount),
  'watch-presence': (c) => isGateway(c['gateway']) && isUsers(c['users']),
  'unwatch-presence': (c) => isGateway(c['gateway']) && isUsers(c['users']),
  'query-presence': (c) => isUsers(c['users']),
};

function isStreamCommand(value: unknown): value is StreamCommand {
  return isRecord(value) && passes(streamChecks, value);
}
function isSlotCommand(value: unknown): value is SlotCommand {
  return isRecord(value) && passes(slotChecks, value);
}
function passes(checks: Readonly<Record<string, Check>>, command: Fields): boolean {
  const { kind } = command;
  // Object.hasOwn: a kind named `constructor` must not find anything.
  return typeof kind === 'string' && Object.hasOwn(checks, kind) && checks[kind]?.(command) === true;
}

const CONVERSATION_KINDS: readonly unknown[] = ['public', 'private', 'im', 'mpim'];
function isMeta(value: unknown): boolean {
  return (
    isRecord(value) &&
    isStream(value['id']) &&
    isStream(value['team']) &&
    CONVERSATION_KINDS.includes(value['kind']) &&
    typeof value['name'] === 'string' &&
    isUser(value['creator']) &&
    typeof value['created'] === 'number' &&
    typeof value['isGeneral'] === 'boolean'
  );
}
function isAuthor(value: unknown): boolean {
  return isRecord(value) && isUser(value['user']) && (value['bot'] === undefined || isBot(value['bot']));
}
function isBot(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value['id'] === 'string' &&
    typeof value['app'] === 'string' &&
    typeof value['name'] === 'string'
  );
}
function isDraft(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value['text'] === 'string' &&
    isOptionalList(value['blocks']) &&
    isOptionalList(value['attachments']) &&
    isOptionalNumber(value['threadTs']) &&
    isOptionalText(value['clientMsgId'])
  );
}
function isGateway(value: unknown): boolean {
  return isRecord(value) && typeof value['region'] === 'string' && parseIncarnation(value['incarnation']) !== undefined;
}

const FAILURE_TEXT: Readonly<Record<string, 'error' | 'reason'>> = {
  rejected: 'error',
  retryable: 'reason',
  unknown: 'reason',
};
function isFailure(value: unknown): value is Failure {
  if (!isRecord(value) || typeof value['kind'] !== 'string' || !Object.hasOwn(FAILURE_TEXT, value['kind']))
    return false;
  const field = FAILURE_TEXT[value['kind']];
  return field !== undefined && typeof value[field] === 'string';
}

const isCursor = (value: unknown): boolean => Array.isArray(value) && isStream(value[0]) && isCount(value[1]);
const isRange = (value: unknown): boolean => isCursor(value) && isCount((value as unknown[])[2]);
const isAdmissionRequest = (value: unknown): boolean => Array.isArray(value) && isUser(value[0]) && isStream(value[1]);
const isSessionCount = (value: unknown): boolean =>
  Array.isArray(value) && isUser(value[0]) && isCount(value[1]) && typeof value[2] === 'boolean';
const isUser = (value: unknown): boolean => parseUserId(value) !== undefined;
const isStream = (value: unknown): boolean => parseStreamId(value) !== undefined;
const isMutation = (value: unknown): boolean => parseMutationId(value) !== undefined;
const isUsers = (value: unknown): boolean => isListOf(value, isUser);
const isListOf = (value: unknown, check: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(check);
const isOptionalList = (value: unknown): boolean => value === undefined || Array.isArray(value);
const isOptionalTrue = (value: unknown): boolean => value === undefined || value === true;
const isOptionalText = (value: unknown): boolean => value === undefined || typeof value === 'string';
const isOptionalNumber = (value: unknown): boolean => value === undefined || Number.isFinite(value);
function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
function malformed(detail: string): DecodeError {
  return new DecodeError('envelope', `malformed ${detail}`);
}
