/**
 * Ids: the branded names of everything that can be addressed, with Slack's prefixes.
 *
 * Invariants:
 * I1  A branded id exists only if this module parsed or made it.
 * I2  Every id is safe as one token of a NATS subject and as a JetStream KV key: [A-Z0-9] only.
 */
import { createHash } from 'node:crypto';

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

export type TeamId = Brand<string, 'Team'>;
export type UserId = Brand<string, 'User'>;
export type ChannelId = Brand<string, 'Channel'>;
export type BotId = Brand<string, 'Bot'>;
export type AppId = Brand<string, 'App'>;
/** Anything with a log of its own: a conversation (C, G, D), a user (U) or the team (T). */
export type StreamId = ChannelId | UserId | TeamId;

/** What `parseX` accepts: the prefix, then 4 to 30 upper-case letters or digits. */
const SHAPE = /^[A-Z][A-Z0-9]{4,30}$/;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const RANDOM_LENGTH = 10;
const DERIVED_LENGTH = 16;

/** The randomness ids are made from; platform's Rng satisfies it. */
export interface IdEntropy {
  int(maxExclusive: number): number;
}

function parseWith(prefixes: string, value: unknown): string | undefined {
  if (typeof value !== 'string' || !SHAPE.test(value)) return undefined;
  return prefixes.includes(value.charAt(0)) ? value : undefined;
}

/** Each returns the id, or undefined for anything that is not one. Never throws. */
export const parseTeamId = (value: unknown) => parseWith('T', value) as TeamId | undefined;
export const parseUserId = (value: unknown) => parseWith('UW', value) as UserId | undefined;
export const parseChannelId = (value: unknown) => parseWith('CGD', value) as ChannelId | undefined;
export const parseBotId = (value: unknown) => parseWith('B', value) as BotId | undefined;
export const parseAppId = (value: unknown) => parseWith('A', value) as AppId | undefined;
export const parseStreamId = (value: unknown) => parseWith('CGDUWT', value) as StreamId | undefined;

function random(prefix: string, entropy: IdEntropy): string {
  let id = prefix;
  for (let i = 0; i < RANDOM_LENGTH; i++) id += ALPHABET.charAt(entropy.int(ALPHABET.length));
  return id;
}

export const makeTeamId = (entropy: IdEntropy) => random('T', entropy) as TeamId;
export const makeUserId = (entropy: IdEntropy) => random('U', entropy) as UserId;
export const makeBotId = (entropy: IdEntropy) => random('B', entropy) as BotId;
export const makeAppId = (entropy: IdEntropy) => random('A', entropy) as AppId;
export const makePublicChannelId = (entropy: IdEntropy) => random('C', entropy) as ChannelId;
export const makePrivateChannelId = (entropy: IdEntropy) => random('G', entropy) as ChannelId;

/**
 * The id of the direct conversation between exactly these users: the same for any order, so that opening it twice
 * finds the first. One or two users (a note to self, an IM) give D…, more give G….
 */
export function directChannelId(team: TeamId, users: readonly UserId[]): ChannelId {
  const distinct = [...new Set(users)].sort();
  const digest = createHash('sha256')
    .update(`${team}:${distinct.join(',')}`)
    .digest();
  let id = distinct.length <= 2 ? 'D' : 'G';
  for (let i = 0; i < DERIVED_LENGTH; i++) id += ALPHABET.charAt((digest[i] ?? 0) % ALPHABET.length);
  return id as ChannelId;
}

export const isUserStream = (stream: StreamId): stream is UserId => 'UW'.includes(stream.charAt(0));
export const isTeamStream = (stream: StreamId): stream is TeamId => stream.startsWith('T');
export const isDirect = (channel: StreamId): boolean => channel.startsWith('D');

/** The name of a node: chosen by whoever runs it; one subject token. */
export type NodeId = Brand<string, 'Node'>;
/** One life of a node. Never reused; part of subjects. Shape: `<node id>-<10 random>`. */
export type Incarnation = Brand<string, 'Incarnation'>;

const NODE_SHAPE = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/;
export function parseNodeId(value: unknown): NodeId | undefined {
  return typeof value === 'string' && NODE_SHAPE.test(value) ? (value as NodeId) : undefined;
}
export function parseIncarnation(value: unknown): Incarnation | undefined {
  return typeof value === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_-]{0,80}$/.test(value)
    ? (value as Incarnation)
    : undefined;
}
export function makeIncarnation(node: NodeId, entropy: IdEntropy): Incarnation {
  return random(`${node}-`, entropy) as Incarnation;
}

/** One WebSocket session of one gateway's life: `<gateway incarnation>.<number>`. */
export type SessionId = Brand<string, 'Session'>;
export const makeSessionId = (gateway: Incarnation, number: number) => `${gateway}.${number}` as SessionId;

/** One post of one session: the session's id with the post's number, so that its ack and its event find each other. */
export const makeOriginId = (gateway: Incarnation, session: number, post: number) =>
  `${gateway}.${session}.${post}` as SessionId;

/** Whose it is, if it names a session of this gateway's life; `post` is 0 where it names no post. */
export function parseOriginId(gateway: Incarnation, origin: string): { session: number; post: number } | undefined {
  if (!origin.startsWith(gateway) || origin.charAt(gateway.length) !== '.') return undefined;
  const [session, post] = origin.slice(gateway.length + 1).split('.');
  return { session: Number(session), post: Number(post ?? 0) };
}

/** The id that makes a mutation idempotent: the client's client_msg_id, or one made by the webapp or gateway. */
export type MutationId = Brand<string, 'Mutation'>;
export const MUTATION_ID_LENGTH_MAX = 128;
export function parseMutationId(value: unknown): MutationId | undefined {
  return typeof value === 'string' && value.length > 0 && value.length <= MUTATION_ID_LENGTH_MAX
    ? (value as MutationId)
    : undefined;
}
