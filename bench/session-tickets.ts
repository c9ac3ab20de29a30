/** Users of the connections scenario, numbered, and the tickets that a webapp would give them. */
import { createHash } from 'node:crypto';
import type { Incarnation, TeamId, UserId } from '../protocol/ids.ts';
import { makeTicket } from '../protocol/tickets.ts';

export const benchTeam = 'T0BENCH' as TeamId;
/** Shorter than real ones, so that the gateway need not remember them for long. */
export const ticketMs = 4_000;
const radix = 36;

/** As long as real ids. */
export function userOf(number: number): UserId {
  return `U${number.toString(radix).toUpperCase().padStart(10, '0')}` as UserId;
}

export function numberOfUser(user: string): number {
  return Number.parseInt(user.slice(1), radix);
}

/** `nowMs`: what the gateway's monotonic clock shows. */
export function ticketOf(number: number, secret: string, gateway: Incarnation, nowMs: number): string {
  const user = userOf(number);
  return makeTicket(secret, {
    ...{ gateway, user, team: benchTeam, name: `load-${number}`, unlimited: false },
    ...{ resume: false, batchPresenceAware: false, nonce: `${user}-nonce` },
    tokenHash: createHash('sha256').update(user).digest('hex'),
    expiresAtMs: nowMs + ticketMs,
  });
}
