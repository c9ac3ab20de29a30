/**
 * The gateway actor: one per gateway process. It owns the sessions' state, decides what each message means, and names
 * the effects in the order in which gateway-shell.ts carries them out. Nothing here waits or does I/O.
 *
 * The parts: gateway-session (frames and phases), gateway-membership (who may see what), gateway-stream (order and
 * gaps), gateway-numbers (lost batches), gateway-resume (catching up), gateway-posts (RTM messages and their acks),
 * gateway-presence, gateway-slots (what is said to slots' owners), gateway-drain.
 */
import { CLOSE } from '../protocol/close-codes.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { limits } from '../platform/limits.ts';
import { beginDrain, brokerChanged, tickDrain, tickIsolation } from './gateway-drain.ts';
import { dropUser, listed, tickListings } from './gateway-membership.ts';
import type { GatewayEffect, GatewayMessage } from './gateway-messages.ts';
import { posted, tickAcks } from './gateway-posts.ts';
import { tickPresence } from './gateway-presence.ts';
import { pageRead } from './gateway-resume.ts';
import { endSession, openSession, receiveFrame, sessionClosed, tickSessions } from './gateway-session.ts';
import { flushSlots, renewSlot, slotAnswered, sweepSlots } from './gateway-slots.ts';
import type { GatewayState, Turn } from './gateway-state.ts';
import { receiveBatch, receiveRegionBatch, tickGaps } from './gateway-stream.ts';

/** What the actor may look up while it decides. */
export interface GatewayView {
  /** The slots that a worker owns, as far as the table at hand says. */
  readonly slotsOf: (worker: Incarnation) => readonly number[];
}

/** Changes `state` and gives the effects, in order. `nowMs` is monotonic. */
export function decide(
  state: GatewayState,
  message: GatewayMessage,
  nowMs: number,
  view: GatewayView,
): GatewayEffect[] {
  const turn: Turn = { state, nowMs, out: [] };
  apply(turn, message, view);
  return turn.out;
}

function apply(turn: Turn, message: GatewayMessage, view: GatewayView): void {
  switch (message.kind) {
    case 'batch':
      return receiveBatch(turn, message.batch, view.slotsOf);
    case 'region-batch':
      return receiveRegionBatch(turn, message, view.slotsOf);
    case 'frame':
      return receiveFrame(turn, message.session, message.bytes);
    case 'opened':
      return openSession(turn, message.session, message.claims);
    case 'closed':
      return sessionClosed(turn, message.session);
    case 'slot-answered':
      return slotAnswered(turn, message);
    case 'memberships':
      return listed(turn, message.user, message.outcome);
    case 'posted':
      return posted(turn, message.session, message.post, message.channel, message.outcome);
    case 'page':
      return pageRead(turn, message.session, message.stream, message.page);
    case 'rows-changed':
      return rowsChanged(turn, message.slots);
    case 'broker':
      return brokerChanged(turn, message.connected);
    case 'revoked':
      return revoked(turn, message.tokenHash);
    case 'drain':
      return beginDrain(turn);
    case 'flush':
      return flushSlots(turn);
    case 'tick':
      return tick(turn);
    default:
      return message satisfies never;
  }
}

function rowsChanged(turn: Turn, slots: readonly number[]): void {
  for (const number of slots) {
    const slot = turn.state.slots.get(number);
    if (slot !== undefined) renewSlot(turn, slot);
  }
}

function revoked(turn: Turn, tokenHash: string): void {
  for (const session of turn.state.sessions.values()) {
    if (session.claims.tokenHash === tokenHash) endSession(turn, session, CLOSE.revoked);
  }
}

function tick(turn: Turn): void {
  tickSessions(turn);
  tickListings(turn);
  tickGaps(turn);
  tickAcks(turn);
  tickPresence(turn);
  tickDrain(turn);
  tickIsolation(turn);
  tickLingering(turn);
  tickWorkers(turn);
  sweepSlots(turn);
}

function tickLingering(turn: Turn): void {
  const { state, nowMs } = turn;
  for (const user of state.lingering) {
    if (nowMs - (user.emptySinceMs ?? nowMs) >= state.limits.interestLingerMs) dropUser(turn, user);
  }
}

function tickWorkers(turn: Turn): void {
  for (const [worker, { seenMs }] of turn.state.workers) {
    if (turn.nowMs - seenMs >= limits.workerForgottenMs) turn.state.workers.delete(worker);
  }
}
