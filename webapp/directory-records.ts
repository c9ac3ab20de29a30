/**
 * Directory records: what the directory bucket holds about people and channels, as JSON that an operator can read.
 *
 * Keys: `team`, `user.<U>`, `bot.<B>`, `app.<A>`, `channel.<C>`, and reservations that make a name unique:
 * `handle.<hash>` (user names), `email.<hash>`, `appname.<hash>`, `name.<hash>` (channel names). A reservation whose
 * record is missing is left over from a crash; who may, completes it.
 */
import { createHash } from 'node:crypto';
import type { AppId, BotId, ChannelId, TeamId, UserId } from '../protocol/ids.ts';
import { parseAppId, parseBotId, parseChannelId, parseTeamId, parseUserId } from '../protocol/ids.ts';

export interface TeamRecord {
  readonly id: TeamId;
  readonly name: string;
  readonly domain: string;
}

/** Times are in whole seconds. */
export interface UserRecord {
  readonly id: UserId;
  readonly name: string;
  readonly realName: string;
  readonly email?: string;
  readonly bot?: { readonly id: BotId; readonly app: AppId };
  readonly isAdmin: boolean;
  readonly deleted: boolean;
  readonly updated: number;
}

export interface BotRecord {
  readonly id: BotId;
  readonly name: string;
  readonly app: AppId;
  readonly user: UserId;
  readonly deleted: boolean;
  readonly updated: number;
}

export interface AppRecord {
  readonly id: AppId;
  readonly name: string;
  readonly bot: BotId;
  readonly user: UserId;
  readonly updated: number;
}

/** A channel with a name. Its truth (members, archived or not) is its actor's; this is the index that lists read. */
export interface ChannelRecord {
  readonly id: ChannelId;
  readonly kind: 'public' | 'private';
  readonly name: string;
  readonly creator: UserId;
  readonly created: number;
  readonly isGeneral: boolean;
  readonly archived: boolean;
}

/** Who holds a channel's name; `mayComplete` is who may finish a creation that stopped half-way. */
export type ChannelReservation = Omit<ChannelRecord, 'archived'>;

/** What an app's name stands for; all its ids are fixed by the reservation, so that a second try makes the same app. */
export interface AppReservation {
  readonly app: AppId;
  readonly bot: BotId;
  readonly user: UserId;
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

export const keys = {
  team: 'team',
  user: (id: UserId) => `user.${id}`,
  bot: (id: BotId) => `bot.${id}`,
  app: (id: AppId) => `app.${id}`,
  channel: (id: ChannelId) => `channel.${id}`,
  handle: (name: string) => `handle.${digest(name)}`,
  email: (email: string) => `email.${digest(email.trim().toLowerCase())}`,
  appName: (name: string) => `appname.${digest(name)}`,
  channelName: (name: string) => `name.${digest(name)}`,
} as const;

export function encodeJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** The object in `bytes`; undefined for anything that is not the JSON of one. */
export function decodeObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A decoder checks the ids and trusts the rest: only this folder writes the bucket. */
function decoder<T>(isRecord: (value: Readonly<Record<string, unknown>>) => boolean) {
  return (bytes: Uint8Array): T | undefined => {
    const value = decodeObject(bytes);
    return value !== undefined && isRecord(value) ? (value as T) : undefined;
  };
}

const named = (value: Readonly<Record<string, unknown>>): boolean => typeof value['name'] === 'string';

export const decodeTeam = decoder<TeamRecord>((v) => parseTeamId(v['id']) !== undefined && named(v));
export const decodeUser = decoder<UserRecord>((v) => parseUserId(v['id']) !== undefined && named(v));
export const decodeBot = decoder<BotRecord>((v) => parseBotId(v['id']) !== undefined && named(v));
export const decodeApp = decoder<AppRecord>((v) => parseAppId(v['id']) !== undefined && named(v));
export const decodeChannel = decoder<ChannelRecord>((v) => parseChannelId(v['id']) !== undefined && named(v));
export const decodeReservation = decoder<ChannelReservation>((v) => parseChannelId(v['id']) !== undefined && named(v));
export const decodeAppReservation = decoder<AppReservation>(
  (v) =>
    parseAppId(v['app']) !== undefined && parseBotId(v['bot']) !== undefined && parseUserId(v['user']) !== undefined,
);
export const decodeUserReference = decoder<{ readonly id: UserId }>((v) => parseUserId(v['id']) !== undefined);
