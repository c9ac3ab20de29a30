/**
 * Tickets: what rtm.connect puts into the WebSocket URL, `<gateway's public URL>/websocket/<ticket>`. The webapp, which
 * has checked the token, signs who the session is; the gateway needs no look-up of its own to open it.
 *
 * Invariants:
 * T1  A ticket is good for one gateway incarnation, until that one's `expiresAtMs`, once: the gateway remembers its nonce.
 * T2  Nothing in it is read before its HMAC is verified, in constant time.
 * T3  It holds the token's hash, never the token.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { decodeVersioned, encode } from './codec.ts';
import { DecodeError } from './errors.ts';
import type { Author } from './events.ts';
import {
  parseAppId,
  parseBotId,
  parseIncarnation,
  parseTeamId,
  parseUserId,
  type Incarnation,
  type TeamId,
  type UserId,
} from './ids.ts';

export interface TicketClaims {
  readonly gateway: Incarnation;
  readonly user: UserId;
  readonly team: TeamId;
  /** The user's name, for status pages. */
  readonly name: string;
  /** Present for a bot token: whom its posts are from. */
  readonly bot?: NonNullable<Author['bot']>;
  readonly tokenHash: string;
  /** The token is marked so: no rate limit. */
  readonly unlimited: boolean;
  /** rtm.connect said resume=1. */
  readonly resume: boolean;
  /** rtm.connect said batch_presence_aware=1. */
  readonly batchPresenceAware: boolean;
  /** By the gateway's own monotonic clock: no two machines' wall clocks agree, and they step. */
  readonly expiresAtMs: number;
  /** Unique per ticket; 16 random characters do. */
  readonly nonce: string;
}

export type TicketVerdict =
  | { readonly kind: 'valid'; readonly claims: TicketClaims }
  | { readonly kind: 'expired' }
  | { readonly kind: 'invalid' };

const TICKET_FORMAT = 1;
const TICKET_BYTES_MAX = 2_048;
const TICKET_CHARS_MAX = 4_096;
const NAME_CHARS_MAX = 80;
const MAC_BYTES = 32;
const UNLIMITED = 1;
const RESUME = 2;
const BATCH_PRESENCE = 4;

/** URL-safe text: the MAC, then the claims. */
export function makeTicket(secret: string | Uint8Array, claims: TicketClaims): string {
  const body = encode(pack(claims));
  return Buffer.concat([macOf(secret, body), body]).toString('base64url');
}

/** Never throws. Whether it names this gateway, and was not used before, is the gateway's to check (T1). `nowMs`: monotonic. */
export function verifyTicket(secret: string | Uint8Array, text: string, nowMs: number): TicketVerdict {
  if (text.length > TICKET_CHARS_MAX) return { kind: 'invalid' };
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length <= MAC_BYTES) return { kind: 'invalid' };
  const body = bytes.subarray(MAC_BYTES);
  if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(secret, body))) return { kind: 'invalid' };
  const claims = unpack(body);
  if (claims === undefined) return { kind: 'invalid' };
  return claims.expiresAtMs > nowMs ? { kind: 'valid', claims } : { kind: 'expired' };
}

function macOf(secret: string | Uint8Array, body: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(body).digest();
}

function pack(claims: TicketClaims): unknown[] {
  const flags =
    (claims.unlimited ? UNLIMITED : 0) +
    (claims.resume ? RESUME : 0) +
    (claims.batchPresenceAware ? BATCH_PRESENCE : 0);
  const bot =
    claims.bot === undefined ? null : [claims.bot.id, claims.bot.app, claims.bot.name.slice(0, NAME_CHARS_MAX)];
  const who = [claims.gateway, claims.user, claims.team, claims.name.slice(0, NAME_CHARS_MAX), bot, claims.tokenHash];
  return [TICKET_FORMAT, ...who, flags, claims.expiresAtMs, claims.nonce];
}

/** Undefined for what a signer of another release wrote; the MAC already says that a signer wrote it. */
function unpack(body: Uint8Array): TicketClaims | undefined {
  try {
    const fields = decodeVersioned('ticket', body, TICKET_BYTES_MAX, TICKET_FORMAT);
    return claimsOf(fields);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function claimsOf(fields: unknown[]): TicketClaims | undefined {
  const [, gatewayText, userText, teamText, name, botFields, tokenHash, flags, expiresAtMs, nonce] = fields;
  const gateway = parseIncarnation(gatewayText);
  const user = parseUserId(userText);
  const team = parseTeamId(teamText);
  if (gateway === undefined || user === undefined || team === undefined) return undefined;
  if (typeof name !== 'string' || typeof tokenHash !== 'string' || typeof nonce !== 'string') return undefined;
  if (typeof flags !== 'number' || typeof expiresAtMs !== 'number') return undefined;
  const bot = botFields === null ? undefined : botOf(botFields);
  if (botFields !== null && bot === undefined) return undefined;
  return {
    ...{ gateway, user, team, name, tokenHash, expiresAtMs, nonce },
    ...(bot === undefined ? {} : { bot }),
    unlimited: (flags & UNLIMITED) !== 0,
    resume: (flags & RESUME) !== 0,
    batchPresenceAware: (flags & BATCH_PRESENCE) !== 0,
  };
}

function botOf(fields: unknown): TicketClaims['bot'] {
  if (!Array.isArray(fields)) return undefined;
  const [idText, appText, name] = fields as unknown[];
  const id = parseBotId(idText);
  const app = parseAppId(appText);
  if (id === undefined || app === undefined || typeof name !== 'string') return undefined;
  return { id, app, name };
}
