/**
 * Arguments as clients spell them: booleans as true/1/True, whole numbers as strings, lists as csv, JSON as text.
 *
 * The message of each schema's issue is the API's error code for it; `readArguments` hands it on. What is `null` in
 * JSON counts as absent.
 */
import { z } from 'zod';
import { limits } from '../platform/limits.ts';
import type { SlackError } from '../protocol/errors.ts';
import {
  parseAppId,
  parseBotId,
  parseChannelId,
  parseUserId,
  type AppId,
  type BotId,
  type ChannelId,
  type UserId,
} from '../protocol/ids.ts';
import { parseTs } from '../protocol/timestamp.ts';
import type { ApiArguments } from './api-request.ts';

export type ArgumentsOutcome<A> =
  | { readonly ok: true; readonly args: A }
  | { readonly ok: false; readonly error: string; readonly argument: string };

export function readArguments<S extends z.ZodType>(schema: S, args: ApiArguments): ArgumentsOutcome<z.output<S>> {
  const parsed = schema.safeParse(args);
  if (parsed.success) return { ok: true, args: parsed.data };
  const issue = parsed.error.issues[0];
  return { ok: false, error: issue?.message ?? 'invalid_arguments', argument: String(issue?.path[0] ?? '') };
}

const absentToUndefined = (value: unknown): unknown => (value === null || value === '' ? undefined : value);

/** A value that is there, made by `parse`; undefined from `parse` means the error `invalid`. */
function required<T>(parse: (value: unknown) => T | undefined, missing: SlackError, invalid: SlackError) {
  return z
    .unknown()
    .optional()
    .transform((value, context): T => {
      const given = absentToUndefined(value);
      const made = given === undefined ? undefined : parse(given);
      if (made !== undefined) return made;
      context.addIssue({ code: 'custom', message: given === undefined ? missing : invalid });
      return z.NEVER;
    });
}

/** As `required`, but what is absent stays undefined. */
function optional<T>(parse: (value: unknown) => T | undefined, invalid: SlackError) {
  return z
    .unknown()
    .optional()
    .transform((value, context): T | undefined => {
      const given = absentToUndefined(value);
      if (given === undefined) return undefined;
      const made = parse(given);
      if (made !== undefined) return made;
      context.addIssue({ code: 'custom', message: invalid });
      return z.NEVER;
    });
}

export function parseFlag(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (value === 1 || value === 0) return value === 1;
  if (typeof value !== 'string') return undefined;
  const word = value.toLowerCase();
  if (word === 'true' || word === '1') return true;
  return word === 'false' || word === '0' ? false : undefined;
}

export function parseText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

function parseWhole(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  return typeof value === 'string' && /^-?\d{1,15}$/.test(value.trim()) ? Number(value) : undefined;
}

function parseCsv(value: unknown): readonly string[] | undefined {
  const items = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : undefined;
  if (items === undefined || !items.every((item) => typeof item === 'string')) return undefined;
  return items.map((item) => item.trim()).filter((item) => item !== '');
}

/** Absent: false. */
export const flag = optional(parseFlag, 'invalid_arguments').transform((value) => value ?? false);
export const text = (missing: SlackError, invalid: SlackError = missing) => required(parseText, missing, invalid);
export const optionalText = (invalid: SlackError = 'invalid_arguments') => optional(parseText, invalid);
export const csv = (missing: SlackError, invalid: SlackError = 'invalid_array_arg') =>
  required(parseCsv, missing, invalid);
export const optionalCsv = (invalid: SlackError = 'invalid_array_arg') => optional(parseCsv, invalid);

export const channel = required<ChannelId>(parseChannelId, 'channel_not_found', 'channel_not_found');
export const optionalChannel = optional<ChannelId>(parseChannelId, 'channel_not_found');
export const user = (missing: SlackError = 'user_not_found') =>
  required<UserId>(parseUserId, missing, 'user_not_found');
export const optionalUser = optional<UserId>(parseUserId, 'user_not_found');
export const bot = required<BotId>(parseBotId, 'missing_argument', 'bot_not_found');
export const optionalApp = optional<AppId>(parseAppId, 'invalid_arguments');
/** Microseconds. */
export const timestamp = (invalid: SlackError) => optional(parseTs, invalid);

/** A page's size: clamped to what the method allows, since clients ask for 5,000; below 1 is `invalid_limit`. */
export const pageSize = (standard: number, max: number = limits.listPageEntriesMax) =>
  optional(parseWhole, 'invalid_limit')
    .refine((value) => value === undefined || value >= 0, { error: 'invalid_limit' })
    // Zero is what clients send that have no opinion.
    .transform((value) => Math.min(value || standard, max));

/** Undefined where the caller named none: some methods then answer with everything. */
export const optionalPageSize = optional(parseWhole, 'invalid_limit')
  .refine((value) => value === undefined || value >= 0, { error: 'invalid_limit' })
  .transform((value) => (value ? Math.min(value, limits.listPageEntriesMax) : undefined));

const CURSOR_CHARS_MAX = 256;

/** An opaque cursor: base64 of `<what>:<position>`. */
export function makeCursor(what: string, position: string | number): string {
  return Buffer.from(`${what}:${position}`).toString('base64');
}

/** The position in a cursor that `makeCursor(what, …)` made, as `parse` reads it. */
export const cursor = <T>(what: string, parse: (position: string) => T | undefined) =>
  optional((value) => {
    if (typeof value !== 'string' || value.length > CURSOR_CHARS_MAX) return undefined;
    const decoded = Buffer.from(value, 'base64').toString();
    if (!decoded.startsWith(`${what}:`) || makeCursor(what, decoded.slice(what.length + 1)) !== value) return undefined;
    return parse(decoded.slice(what.length + 1));
  }, 'invalid_cursor');

export const parsePosition = (position: string): number | undefined =>
  /^\d{1,15}$/.test(position) ? Number(position) : undefined;
