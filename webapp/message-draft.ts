/**
 * What a client may put into a message, checked by hand: this is the hot path, and each fault has an error of its own.
 *
 * W1  A draft that passes fits one record and one frame: every part of it has a limit in bytes or characters.
 * W2  Text is never cut. Its length counts code points, as people count characters.
 */
import { limits } from '../platform/limits.ts';
import type { SlackError } from '../protocol/errors.ts';
import type { MessageDraft } from '../protocol/events.ts';
import { parseTs } from '../protocol/timestamp.ts';
import { deeperThan, type ApiArguments } from './api-request.ts';
import { parseFlag, parseText } from './arguments.ts';

export type DraftOutcome =
  | { readonly ok: true; readonly draft: MessageDraft }
  | { readonly ok: false; readonly error: SlackError };

type Part<T> = { readonly value: T | undefined } | { readonly error: SlackError };
type Draft = { -readonly [K in keyof MessageDraft]: MessageDraft[K] };

const fault = (error: SlackError): DraftOutcome => ({ ok: false, error });
const SOMETHING = /\S/;
const NOTHING = { value: undefined };

export function parseDraft(args: ApiArguments): DraftOutcome {
  const text = parseMessageText(args);
  if ('error' in text) return fault(text.error);
  const blocks = parseBlocks(args['blocks']);
  if ('error' in blocks) return fault(blocks.error);
  const attachments = parseAttachments(args['attachments']);
  if ('error' in attachments) return fault(attachments.error);
  if (!SOMETHING.test(text.value ?? '') && isEmpty(blocks.value) && isEmpty(attachments.value)) return fault('no_text');
  const draft: Draft = { text: text.value ?? '' };
  if (blocks.value !== undefined && !isEmpty(blocks.value)) draft.blocks = blocks.value;
  if (attachments.value !== undefined && !isEmpty(attachments.value)) draft.attachments = attachments.value;
  const error = addExtras(args, draft);
  return error === undefined ? { ok: true, draft } : fault(error);
}

function parseMessageText(args: ApiArguments): Part<string> {
  const markdown = args['markdown_text'];
  if (isAbsent(markdown)) return parsePlainText(args['text']);
  if (!isAbsent(args['text']) || !isAbsent(args['blocks'])) return { error: 'markdown_text_conflict' };
  const value = parseText(markdown);
  if (value === undefined) return { error: 'invalid_arguments' };
  return longerThan(value, limits.markdownCharsMax) ? { error: 'msg_too_long' } : { value };
}

function parsePlainText(given: unknown): Part<string> {
  if (isAbsent(given)) return NOTHING;
  const value = parseText(given);
  if (value === undefined) return { error: 'invalid_arguments' };
  return longerThan(value, limits.textCharsMax) ? { error: 'msg_too_long' } : { value };
}

function longerThan(text: string, charsMax: number): boolean {
  if (text.length <= charsMax) return false;
  // Characters beyond the basic plane are two units each.
  if (text.length > 2 * charsMax) return true;
  return text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0) > charsMax;
}

function parseBlocks(given: unknown): Part<readonly unknown[]> {
  if (isAbsent(given)) return NOTHING;
  const blocks = parseList(given);
  if (blocks === undefined) return { error: 'invalid_blocks_format' };
  if (blocks.length > limits.messageBlocksMax) return { error: 'invalid_blocks' };
  if (!blocks.every(isTyped) || deeperThan(blocks, limits.jsonDepthMax)) return { error: 'invalid_blocks' };
  if (jsonBytes(given) > limits.messageBlocksBytesMax) return { error: 'msg_blocks_too_long' };
  return { value: blocks };
}

function parseAttachments(given: unknown): Part<readonly unknown[]> {
  if (isAbsent(given)) return NOTHING;
  const attachments = parseList(given);
  if (attachments === undefined) return { error: 'invalid_attachments' };
  if (attachments.length > limits.messageAttachmentsMax) return { error: 'too_many_attachments' };
  if (!attachments.every(isObject) || deeperThan(attachments, limits.jsonDepthMax)) {
    return { error: 'invalid_attachments' };
  }
  if (jsonBytes(given) > limits.messageAttachmentsBytesMax) return { error: 'attachment_payload_limit_exceeded' };
  return { value: attachments };
}

/** Metadata, thread, broadcast and client_msg_id: what most messages lack. Gives what is wrong with them. */
function addExtras(args: ApiArguments, draft: Draft): SlackError | undefined {
  if (!isAbsent(args['metadata'])) {
    const error = checkMetadata(args['metadata']);
    if (error !== undefined) return error;
    draft.metadata = parseJson(args['metadata']);
  }
  if (!isAbsent(args['thread_ts'])) {
    const threadTs = parseTs(args['thread_ts']);
    if (threadTs === undefined) return 'invalid_arguments';
    draft.threadTs = threadTs;
    if (parseFlag(args['reply_broadcast']) === true) draft.broadcast = true;
  }
  if (!isAbsent(args['client_msg_id'])) {
    const id = args['client_msg_id'];
    if (typeof id !== 'string' || id.length > limits.clientMessageIdCharsMax) return 'invalid_arguments';
    draft.clientMsgId = id;
  }
  return undefined;
}

function checkMetadata(given: unknown): SlackError | undefined {
  const value = parseJson(given);
  if (!isObject(value)) return 'invalid_metadata_format';
  const { event_type: type, event_payload: payload } = value as { event_type?: unknown; event_payload?: unknown };
  if (typeof type !== 'string' || !isObject(payload)) return 'invalid_metadata_format';
  if (deeperThan(value, limits.jsonDepthMax)) return 'invalid_metadata_format';
  return jsonBytes(given) > limits.messageMetadataBytesMax ? 'metadata_too_large' : undefined;
}

/** A form has JSON as text, a JSON body has it as it is. */
function parseJson(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  try {
    return JSON.parse(given) as unknown;
  } catch {
    return undefined;
  }
}

function parseList(given: unknown): readonly unknown[] | undefined {
  const value = parseJson(given);
  return Array.isArray(value) ? value : undefined;
}

function jsonBytes(given: unknown): number {
  return Buffer.byteLength(typeof given === 'string' ? given : JSON.stringify(given));
}

const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === '';
const isEmpty = (list: readonly unknown[] | undefined): boolean => list === undefined || list.length === 0;
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
const isTyped = (value: unknown): boolean =>
  isObject(value) && typeof (value as { type?: unknown }).type === 'string' && (value as { type: string }).type !== '';
