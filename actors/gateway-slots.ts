/**
 * What the gateway says to slots: requests gather per slot during a turn and leave together at its end, one command of
 * each kind in flight per slot (Y3), so that five hundred sessions that open at once cost a slot one message.
 *
 * Invariants:
 * L1  A request leaves its queue only with an answer; a command that failed goes back and is repeated at the next tick.
 * L2  Admissions of so many slots are under way at a time; the others gather meanwhile. Thousands of users who come back
 *     one by one then cost few large commands rather than one for each user and channel.
 * L3  A stream is forgotten only while no admission of its slot is in flight: one overtaken by the other would leave a
 *     stream that nobody sends.
 */
import { asSlotResult } from './gateway-answers.ts';
import { answerAsks } from './gateway-membership.ts';
import type { SlotAnswer } from './gateway-messages.ts';
import { isUserIdle, presenceAnswered, sendPresence } from './gateway-presence.ts';
import type { Ask, Slot, Stream, Turn, User, Watch } from './gateway-state.ts';
import type { SlotCommand } from '../protocol/commands.ts';

/** Has the slot's commands leave at the end of this turn. */
export function markDirty(turn: Turn, slot: Slot): void {
  if (turn.state.dirty.size === 0) turn.out.push({ kind: 'flush-soon' });
  turn.state.dirty.add(slot);
}

export function requestCheck(turn: Turn, stream: Stream): void {
  stream.slot.checks.push(stream);
  markDirty(turn, stream.slot);
}

/** A new owner, or batches lost: say again what this gateway wants of the slot, and where it stands. */
export function renewSlot(turn: Turn, slot: Slot): void {
  slot.checkAll = true;
  // An admission under way may have been decided before, by another owner, or its first events may be among the lost.
  slot.renewed = slot.asking !== undefined;
  slot.announcements = [...slot.users];
  slot.toWatch = [...slot.watches];
  markDirty(turn, slot);
}

export function requestAnnouncement(turn: Turn, user: User): void {
  user.slot.announcements.push(user);
  markDirty(turn, user.slot);
}

export function flushSlots(turn: Turn): void {
  const { state } = turn;
  if (state.disconnectedSinceMs !== undefined) return;
  const slots = [...state.dirty];
  state.dirty.clear();
  for (const slot of slots) {
    flushForget(turn, slot);
    flushAsks(turn, slot);
    flushChecks(turn, slot);
    flushAnnouncements(turn, slot);
    flushWatches(turn, slot);
  }
}

/** Once a second: interest is reconciled and sessions are announced, each at its own period. */
export function sweepSlots(turn: Turn): void {
  const { state, nowMs } = turn;
  for (const slot of state.failed) markDirty(turn, slot);
  state.failed.clear();
  if (nowMs < state.slotSweepDueMs) return;
  state.slotSweepDueMs = nowMs + 1_000;
  for (const slot of state.slots.values()) {
    if (nowMs >= slot.checkDueMs) {
      slot.checkDueMs = nowMs + state.limits.interestReconcileMs;
      slot.checkAll ||= slot.streams.size > 0;
      if (slot.checkAll) markDirty(turn, slot);
    }
    if (nowMs >= slot.announceDueMs) {
      slot.announceDueMs = nowMs + state.limits.presenceAnnounceMs;
      for (const user of slot.users) requestAnnouncement(turn, user);
    }
  }
}

export function slotAnswered(turn: Turn, answer: SlotAnswer): void {
  const slot = turn.state.slots.get(answer.ask.slot);
  if (slot === undefined) return;
  const { command } = answer.ask;
  switch (command.kind) {
    case 'admit':
      return asksAnswered(turn, slot, answer);
    case 'cursors':
      return checksAnswered(turn, slot, answer);
    case 'sessions':
      slot.announcing = false;
      if (!answer.outcome.ok) slot.announcements.push(...slot.users);
      return settle(turn, slot, answer.outcome.ok);
    case 'watch-presence':
      return watchesAnswered(turn, slot, command, answer);
    case 'query-presence':
      return queryAnswered(turn, answer);
    case 'events':
    case 'forget':
    case 'unwatch-presence':
      // Nothing hangs on them: what is sent without being wanted is dropped.
      return;
    default:
      return command satisfies never;
  }
}

function settle(turn: Turn, slot: Slot, ok: boolean): void {
  if (!ok) turn.state.failed.add(slot);
  else if (hasWork(slot)) markDirty(turn, slot);
}

function hasWork(slot: Slot): boolean {
  if (slot.checkAll || slot.asks.length > 0 || slot.checks.length > 0 || slot.toForget.length > 0) return true;
  return slot.announcements.length > 0 || slot.toWatch.length > 0 || slot.toUnwatch.length > 0;
}

function ask(turn: Turn, slot: Slot, command: SlotCommand): void {
  turn.out.push({ kind: 'ask-slot', slot: slot.number, command });
}

function flushForget(turn: Turn, slot: Slot): void {
  const { state } = turn;
  if (slot.toForget.length === 0 || slot.asking !== undefined) return;
  const streams = slot.toForget.filter((stream) => !state.streams.has(stream));
  slot.toForget = [];
  if (streams.length > 0) ask(turn, slot, { kind: 'forget', gateway: state.ref, streams });
}

function flushAsks(turn: Turn, slot: Slot): void {
  const { state } = turn;
  if (slot.asking !== undefined || slot.asks.length === 0) return;
  if (state.askingCount >= state.limits.admitCommandsInFlightMax) {
    state.askingLater.add(slot);
    return;
  }
  const asks = slot.asks.splice(0, state.limits.subscribeEntriesMax).filter((one) => !one.withdrawn);
  if (asks.length === 0) return;
  slot.asking = asks;
  state.askingCount += 1;
  const entries = asks.map((one) => [one.user.id, one.stream.id] as const);
  ask(turn, slot, { kind: 'admit', gateway: state.ref, entries });
}

/** L2: there is room for one more. */
function askLater(turn: Turn): void {
  const { askingLater } = turn.state;
  for (const slot of askingLater) {
    askingLater.delete(slot);
    return markDirty(turn, slot);
  }
}

function asksAnswered(turn: Turn, slot: Slot, answer: SlotAnswer): void {
  const asks = slot.asking ?? [];
  slot.asking = undefined;
  turn.state.askingCount -= 1;
  askLater(turn);
  const result = asSlotResult('admit', answer);
  const again: Ask[] = answerAsks(turn, asks, result?.admissions ?? []);
  slot.asks.push(...again);
  if (slot.renewed) slot.checkAll = true;
  slot.renewed = false;
  settle(turn, slot, again.length === 0);
}

function flushChecks(turn: Turn, slot: Slot): void {
  const { state } = turn;
  if (slot.checking > 0 || (!slot.checkAll && slot.checks.length === 0)) return;
  const streams = slot.checkAll ? slot.streams : new Set(slot.checks);
  slot.checkAll = false;
  slot.checks = [];
  const entries = [...streams].filter((stream) => stream.last >= 0).map((stream) => [stream.id, stream.last] as const);
  for (let at = 0; at < entries.length; at += state.limits.subscribeEntriesMax) {
    slot.checking += 1;
    const some = entries.slice(at, at + state.limits.subscribeEntriesMax);
    ask(turn, slot, { kind: 'cursors', gateway: state.ref, entries: some });
  }
}

function checksAnswered(turn: Turn, slot: Slot, answer: SlotAnswer): void {
  slot.checking -= 1;
  if (!answer.outcome.ok) slot.checkAll = true;
  if (slot.checking === 0) settle(turn, slot, !slot.checkAll || answer.outcome.ok);
}

function flushAnnouncements(turn: Turn, slot: Slot): void {
  const { state, nowMs } = turn;
  if (slot.announcing || slot.announcements.length === 0) return;
  // While draining nothing is said: the sessions' leases outlive the gateway until their clients are back elsewhere.
  const users = state.drain === undefined ? new Set(slot.announcements) : [];
  slot.announcements = [];
  const entries = [...users].map((user) => {
    user.announcedIdle = isUserIdle(turn, user);
    return [user.id, user.sessions.length, user.announcedIdle] as const;
  });
  if (entries.length === 0) return;
  slot.announcing = true;
  ask(turn, slot, { kind: 'sessions', gateway: state.ref, at: Math.round(nowMs), entries });
}

function flushWatches(turn: Turn, slot: Slot): void {
  const { state } = turn;
  const unwatch = slot.toUnwatch.filter((user) => !state.watches.has(user));
  slot.toUnwatch = [];
  if (unwatch.length > 0) ask(turn, slot, { kind: 'unwatch-presence', gateway: state.ref, users: unwatch });
  if (slot.watching || slot.toWatch.length === 0) return;
  const users = [...new Set(slot.toWatch)].filter((watch) => slot.watches.has(watch)).map((watch) => watch.user);
  slot.toWatch = [];
  if (users.length === 0) return;
  slot.watching = true;
  ask(turn, slot, { kind: 'watch-presence', gateway: state.ref, users });
}

type WatchCommand = Extract<SlotCommand, { kind: 'watch-presence' }>;

function watchesAnswered(turn: Turn, slot: Slot, command: WatchCommand, answer: SlotAnswer): void {
  slot.watching = false;
  const result = asSlotResult('watch-presence', answer);
  if (result === undefined) slot.toWatch.push(...watchesOf(turn, command));
  else presenceAnswered(turn, result.states);
  settle(turn, slot, result !== undefined);
}

function watchesOf(turn: Turn, command: WatchCommand): Watch[] {
  return command.users.map((user) => turn.state.watches.get(user)).filter((watch) => watch !== undefined);
}

function queryAnswered(turn: Turn, answer: SlotAnswer): void {
  const session = turn.state.sessions.get(answer.ask.session ?? 0);
  const result = asSlotResult('query-presence', answer);
  if (session !== undefined && result !== undefined) sendPresence(turn, session, result.states);
}
