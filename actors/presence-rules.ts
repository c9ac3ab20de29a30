/**
 * Whether a user is active or away: the rules, pure. Sessions are leases held through gateways; a lease that ends, by
 * itself or with its gateway, counts for a grace, so that neither a reconnect nor a drain shows.
 *
 * Invariants:
 * P1  Of two announcements by one gateway the one with the higher `at` wins, whatever order they come in.
 * P2  Active: not set away by hand, and a lease that is in use, or was until its grace has not ended.
 * P3  Unknown (nothing is told): the manual flag is not known yet; or no lease speaks for the user and not all live
 *     gateways have announced since this worker took the slot, for at most a grace.
 */
import type { PresenceState as PresenceAnswer } from '../protocol/commands.ts';
import type { Presence } from '../protocol/events.ts';
import type { Incarnation } from '../protocol/ids.ts';

export interface Lease {
  /** The gateway's own time of the announcement, ms. */
  readonly at: number;
  readonly sessions: number;
  readonly idle: boolean;
  /** Until when it counts although it has ended or gone idle; monotonic ms, 0 for not at all. */
  readonly graceUntilMs: number;
}

export interface PresenceFacts {
  /** Undefined until the user's own stream told. */
  readonly manualAway: boolean | undefined;
  readonly leases: ReadonlyMap<Incarnation, Lease>;
  /** Milliseconds since 1970 of the last announcement with a session in use; 0 when there was none. */
  readonly lastActiveAt: number;
}

export const NO_FACTS: PresenceFacts = { manualAway: undefined, leases: new Map(), lastActiveAt: 0 };

export interface Announcement {
  readonly gateway: Incarnation;
  readonly at: number;
  readonly sessions: number;
  readonly idle: boolean;
}

export function announce(facts: PresenceFacts, said: Announcement, nowMs: number, graceMs: number): PresenceFacts {
  const known = facts.leases.get(said.gateway);
  if (known !== undefined && known.at >= said.at) return facts;
  const inUse = said.sessions > 0 && !said.idle;
  // Going idle is a decision of minutes and shows at once; only an end gets the grace.
  const graceUntilMs = said.sessions === 0 ? graceOf(known, nowMs, graceMs) : 0;
  const leases = new Map(facts.leases).set(said.gateway, {
    at: said.at,
    sessions: said.sessions,
    idle: said.idle,
    graceUntilMs,
  });
  return { ...facts, leases, lastActiveAt: inUse ? Math.max(facts.lastActiveAt, said.at) : facts.lastActiveAt };
}

/** The gateway's life is over: its lease ends. */
export function endLease(facts: PresenceFacts, gateway: Incarnation, nowMs: number, graceMs: number): PresenceFacts {
  const known = facts.leases.get(gateway);
  if (known === undefined) return facts;
  const ended = { ...known, at: Number.MAX_SAFE_INTEGER, sessions: 0, graceUntilMs: graceOf(known, nowMs, graceMs) };
  return { ...facts, leases: new Map(facts.leases).set(gateway, ended) };
}

/** Without the leases that no longer count. */
export function prune(facts: PresenceFacts, nowMs: number): PresenceFacts {
  const leases = new Map([...facts.leases].filter(([, lease]) => lease.sessions > 0 || lease.graceUntilMs > nowMs));
  return leases.size === facts.leases.size ? facts : { ...facts, leases };
}

/** `everyoneHeard`: all live gateways have announced, or the grace after taking the slot has ended. */
export function presenceOf(facts: PresenceFacts, nowMs: number, everyoneHeard: boolean): Presence | 'unknown' {
  if (facts.manualAway === undefined) return 'unknown';
  if (facts.manualAway) return 'away';
  for (const lease of facts.leases.values()) {
    if (speaksActive(lease, nowMs)) return 'active';
  }
  return everyoneHeard ? 'away' : 'unknown';
}

export function presenceAnswer(facts: PresenceFacts, nowMs: number): PresenceAnswer {
  const leases = [...facts.leases.values()];
  const connections = leases.reduce((sum, lease) => sum + lease.sessions, 0);
  const inUse = leases.some((lease) => speaksActive(lease, nowMs));
  const manualAway = facts.manualAway === true;
  const presence = inUse && !manualAway ? 'active' : 'away';
  return { presence, manualAway, autoAway: !inUse, connections, lastActivity: Math.floor(facts.lastActiveAt / 1000) };
}

function speaksActive(lease: Lease, nowMs: number): boolean {
  return lease.sessions > 0 ? !lease.idle : lease.graceUntilMs > nowMs;
}

/** A lease that was in use until now counts for a grace; one that had ended before keeps what it has. */
function graceOf(lease: Lease | undefined, nowMs: number, graceMs: number): number {
  if (lease === undefined) return 0;
  if (lease.sessions === 0) return lease.graceUntilMs;
  return lease.idle ? 0 : nowMs + graceMs;
}
