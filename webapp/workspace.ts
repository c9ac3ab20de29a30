/**
 * The workspace's people: making users, and apps with their bots.
 *
 * P1  A name and an e-mail address belong to one user. Each is reserved before the user's record is written; what a
 *     creation that stopped half-way left behind is taken over by the next one of the same name.
 * P2  Making an app again gives the same app: its ids are fixed by the reservation of its name.
 */
import { limits } from '../platform/limits.ts';
import { makeAppId, makeBotId, makeUserId, type UserId } from '../protocol/ids.ts';
import type { Directory } from './directory.ts';
import {
  decodeAppReservation,
  decodeUserReference,
  keys,
  type AppRecord,
  type AppReservation,
  type BotRecord,
  type UserRecord,
} from './directory-records.ts';

export interface NewUser {
  readonly name: string;
  readonly realName?: string;
  readonly email?: string;
}

export type UserOutcome =
  | { readonly kind: 'made'; readonly user: UserRecord }
  | { readonly kind: 'taken'; readonly what: 'name' | 'email'; readonly user: UserRecord }
  | { readonly kind: 'full' }
  | { readonly kind: 'unavailable' };

export interface App {
  readonly app: AppRecord;
  readonly bot: BotRecord;
  readonly user: UserRecord;
}
export type AppOutcome =
  | ({ readonly kind: 'made' } & App & { readonly isNew: boolean })
  | Exclude<UserOutcome, { kind: 'made' }>;

type Claim = { readonly kind: 'held'; readonly id: UserId } | Exclude<UserOutcome, { kind: 'made' }>;

export async function createUser(directory: Directory, wanted: NewUser): Promise<UserOutcome> {
  const record = { isAdmin: false, deleted: false, updated: nowSeconds(directory) };
  const realName = wanted.realName ?? wanted.name;
  const email = wanted.email === undefined ? {} : { email: wanted.email };
  return addUser(directory, { id: makeUserId(directory.rng), name: wanted.name, realName, ...email, ...record });
}

/** Writes the user under `wanted.id`, or under the id that an unfinished creation of the same name had. */
async function addUser(directory: Directory, wanted: UserRecord): Promise<UserOutcome> {
  if (directory.users.full) return { kind: 'full' };
  const name = await claim(directory, keys.handle(wanted.name), wanted.id, 'name');
  if (name.kind !== 'held') return name;
  const user = { ...wanted, id: name.id };
  if (user.email !== undefined) {
    const email = await claimEmail(directory, user.email, user.id);
    if (email.kind !== 'held') return email;
  }
  const created = await directory.addUser(user);
  if (created.kind === 'unavailable') return created;
  return created.kind === 'created' ? { kind: 'made', user } : { kind: 'taken', what: 'name', user: created.value };
}

async function claim(directory: Directory, key: string, id: UserId, what: 'name' | 'email'): Promise<Claim> {
  const reserved = await directory.bucket.create(key, { id }, decodeUserReference);
  if (reserved.kind === 'unavailable') return reserved;
  if (reserved.kind === 'created') return { kind: 'held', id };
  const holder = await directory.user(reserved.value.id);
  if (holder.kind === 'unavailable') return holder;
  return holder.kind === 'found'
    ? { kind: 'taken', what, user: holder.value }
    : { kind: 'held', id: reserved.value.id };
}

/** An address reserved for a user who was never made goes to this one. */
async function claimEmail(directory: Directory, email: string, id: UserId): Promise<Claim> {
  const claimed = await claim(directory, keys.email(email), id, 'email');
  if (claimed.kind !== 'held' || claimed.id === id) return claimed;
  const change = await directory.bucket.change(keys.email(email), decodeUserReference, (standing) =>
    standing.id === claimed.id ? { id } : undefined,
  );
  return change.kind === 'changed' ? { kind: 'held', id } : { kind: 'unavailable' };
}

export async function createApp(directory: Directory, name: string): Promise<AppOutcome> {
  const { rng, bucket } = directory;
  const wanted: AppReservation = { app: makeAppId(rng), bot: makeBotId(rng), user: makeUserId(rng) };
  const reserved = await bucket.create(keys.appName(name), wanted, decodeAppReservation);
  if (reserved.kind === 'unavailable') return reserved;
  const ids = reserved.kind === 'created' ? wanted : reserved.value;
  const user = await addBotUser(directory, name, ids);
  if (user.kind !== 'made') return user;
  return addAppRecords(directory, name, ids, user.user, reserved.kind === 'created');
}

async function addBotUser(directory: Directory, name: string, ids: AppReservation): Promise<UserOutcome> {
  const bot = { id: ids.bot, app: ids.app };
  const record = { bot, isAdmin: false, deleted: false, updated: nowSeconds(directory) };
  const made = await addUser(directory, { id: ids.user, name, realName: name, ...record });
  const isOurs = made.kind === 'taken' && made.user.bot?.id === ids.bot;
  return isOurs ? { kind: 'made', user: made.user } : made;
}

async function addAppRecords(
  directory: Directory,
  name: string,
  ids: AppReservation,
  user: UserRecord,
  isNew: boolean,
): Promise<AppOutcome> {
  const updated = nowSeconds(directory);
  const bot: BotRecord = { id: ids.bot, name, app: ids.app, user: user.id, deleted: false, updated };
  const app: AppRecord = { id: ids.app, name, bot: ids.bot, user: user.id, updated };
  const botAdded = await directory.addBot(bot);
  const appAdded = await directory.addApp(app);
  if (botAdded.kind === 'unavailable' || appAdded.kind === 'unavailable') return { kind: 'unavailable' };
  return { kind: 'made', app, bot, user, isNew };
}

/** A name that people can read: something, without control characters, of a reasonable length. */
export function isName(name: string): boolean {
  return name.trim() !== '' && name.length <= limits.nameCharsMax && !/\p{C}/u.test(name);
}

function nowSeconds(directory: Directory): number {
  return Math.floor(directory.clock.wallMs() / 1_000);
}
