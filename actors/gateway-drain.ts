/**
 * The gateway's end, and its isolation: when sessions are sent elsewhere.
 *
 * D1  A drain says goodbye to every session with the delay after which it closes it: many clients reconnect the moment
 *     they are closed, so it is the closing that has to be spread.
 * D2  A gateway cut off from the broker keeps its sessions for a grace, for a broker's restart drops every gateway at
 *     once and there would be nowhere better to go; it answers no hello meanwhile.
 */
import { jsonFrame } from '../protocol/client-frames.ts';
import { CLOSE } from '../protocol/close-codes.ts';
import { endSession } from './gateway-session.ts';
import { renewSlot } from './gateway-slots.ts';
import type { Turn } from './gateway-state.ts';

export function beginDrain(turn: Turn): void {
  const { state, nowMs } = turn;
  if (state.drain !== undefined) return;
  const sessions = [...state.sessions.values()];
  const { drainSessionsPerSecondMax, drainSpreadMsMax } = state.limits;
  const spreadMs = Math.min(drainSpreadMsMax, (sessions.length / drainSessionsPerSecondMax) * 1_000);
  const closings = sessions.map((session, at) => ({ session, delayMs: Math.floor((spreadMs * at) / sessions.length) }));
  state.drain = { closings: closings.map(({ session, delayMs }) => ({ session, dueMs: nowMs + delayMs })).reverse() };
  for (const { session, delayMs } of closings) {
    const frame = jsonFrame({ type: 'goodbye', reconnect_delay_ms: delayMs });
    turn.out.push({ kind: 'send', session: session.number, frames: [frame] });
  }
}

export function tickDrain(turn: Turn): void {
  const closings = turn.state.drain?.closings;
  if (closings === undefined) return;
  for (let next = closings.at(-1); next !== undefined && next.dueMs <= turn.nowMs; next = closings.at(-1)) {
    closings.pop();
    endSession(turn, next.session, CLOSE.goingAway);
  }
}

export function brokerChanged(turn: Turn, connected: boolean): void {
  const { state } = turn;
  if (!connected) {
    state.disconnectedSinceMs ??= turn.nowMs;
    return;
  }
  if (state.disconnectedSinceMs === undefined) return;
  state.disconnectedSinceMs = undefined;
  // Whatever was published meanwhile is lost (K1), so everything is asked for.
  for (const slot of state.slots.values()) renewSlot(turn, slot);
  turn.out.push({ kind: 'flush-soon' });
}

export function tickIsolation(turn: Turn): void {
  const { state, nowMs } = turn;
  const since = state.disconnectedSinceMs;
  if (since === undefined || nowMs - since < state.limits.isolationGraceMs) return;
  for (const session of state.sessions.values()) endSession(turn, session, CLOSE.isolated);
}
