/**
 * What any stream answers to any command: the conversation's rules for C, G and D, the rules of a user's own stream
 * and of the team's here. Pure.
 *
 * Invariants:
 * Z1  Nothing here reads the log: an answer that needs it is named by its step and made by the shell.
 * Z2  A note about a channel is recorded only when it is newer than what is known of that channel.
 */
import type { StreamCommand, StreamResults } from '../protocol/commands.ts';
import { rejected, type Failure } from '../protocol/errors.ts';
import type { EventBody } from '../protocol/events.ts';
import type { MutationId, UserId } from '../protocol/ids.ts';
import { limits } from '../platform/limits.ts';
import { decide, infoOf, refuseReader, refuseViewer, stamp, type CommandOf, type Decision } from './channel-decide.ts';
import type { ConversationState, StreamState, TeamState, UserState } from './channel-state.ts';

export type Step =
  | Decision
  | { readonly kind: 'answer'; readonly result: unknown; readonly bytes: number }
  | { readonly kind: 'history'; readonly command: CommandOf<'history'> }
  | { readonly kind: 'typing'; readonly command: CommandOf<'typing'> }
  /** What the user's presence actor knows. */
  | { readonly kind: 'presence' };

const WRONG_STREAM: Step = { kind: 'refused', failure: rejected('channel_not_found') };
const REPLY_BYTES = 256;
const ID_BYTES = 32;
const MEMBERSHIP_BYTES = 240;
const MEMBERSHIPS_PAGE = Math.floor(limits.readAnswerBytesMax / MEMBERSHIP_BYTES);

/** `now` in microseconds. `events` never comes here: it is answered without the state. */
export function decideStream(state: StreamState, command: StreamCommand, now: number): Step {
  switch (state.kind) {
    case 'conversation':
      return decideConversation(state, command, now);
    case 'user':
      return decideUser(state, command, now);
    case 'team':
      return decideTeam(state, command, now);
    default:
      return state satisfies never;
  }
}

/** Who may subscribe to the stream: members; the user to their own; everybody to the team's. */
export function refuseSubscriber(state: StreamState, user: UserId): Failure | undefined {
  switch (state.kind) {
    case 'conversation':
      return state.meta === undefined ? rejected('channel_not_found') : refuseReader(state, user);
    case 'user':
      return state.stream === user ? undefined : rejected('channel_not_found');
    case 'team':
      return undefined;
    default:
      return state satisfies never;
  }
}

function decideConversation(state: ConversationState, command: StreamCommand, now: number): Step {
  switch (command.kind) {
    case 'open':
    case 'post':
    case 'join':
    case 'leave':
    case 'invite':
    case 'kick':
    case 'archive':
      return decide(state, command, now);
    case 'info':
      return answerInfo(state, command.viewer);
    case 'members':
      return answerMembers(state, command);
    case 'history':
      return refusedOr(refuseReader(state, command.viewer), { kind: 'history', command });
    case 'typing':
      return refusedOr(refuseReader(state, command.user), { kind: 'typing', command });
    case 'note-membership':
    case 'memberships':
    case 'set-presence':
    case 'get-presence':
    case 'notice':
      return WRONG_STREAM;
    default:
      return command satisfies never;
  }
}

function refusedOr(failure: Failure | undefined, step: Step): Step {
  return failure === undefined ? step : { kind: 'refused', failure };
}

function answer<K extends StreamCommand['kind']>(result: StreamResults[K], bytes = REPLY_BYTES): Step {
  return { kind: 'answer', result, bytes };
}

function answerInfo(state: ConversationState, viewer: UserId): Step {
  const failure = refuseViewer(state, viewer);
  const info = infoOf(state, viewer);
  if (failure !== undefined || info === undefined) return WRONG_STREAM;
  return answer<'info'>({ info });
}

function answerMembers(state: ConversationState, command: CommandOf<'members'>): Step {
  const failure = refuseViewer(state, command.viewer);
  if (failure !== undefined) return { kind: 'refused', failure };
  const limit = Math.min(command.limit, limits.listPageEntriesMax);
  const found = state.members.page(command.after, limit + 1);
  const members = found.slice(0, limit);
  return answer<'members'>({ members, more: found.length > limit }, REPLY_BYTES + members.length * ID_BYTES);
}

function decideUser(state: UserState, command: StreamCommand, now: number): Step {
  if (command.kind === 'note-membership') return noteMembership(state, command, now);
  if (command.kind === 'memberships') return answerMemberships(state, command);
  if (command.kind === 'set-presence') return setPresence(state, command, now);
  return command.kind === 'get-presence' ? { kind: 'presence' } : WRONG_STREAM;
}

function noteMembership(state: UserState, command: CommandOf<'note-membership'>, now: number): Step {
  const { meta, channelSeq, member, actor } = command;
  const known = state.memberships.get(meta.id);
  if (known !== undefined && known.channelSeq >= channelSeq) return { kind: 'already' };
  const who = actor === undefined ? {} : { actor };
  const mutation = `note.${meta.id}.${channelSeq}` as MutationId;
  return commit(state, now, state.stream, mutation, { kind: 'membership', meta, channelSeq, member, ...who });
}

function answerMemberships(state: UserState, { after, limit = MEMBERSHIPS_PAGE }: CommandOf<'memberships'>): Step {
  const room = Math.min(limit, MEMBERSHIPS_PAGE);
  const ids = state.memberships.page(after, room + 1);
  const page = ids.slice(0, room);
  const channels = page.flatMap((id) => {
    const known = state.memberships.get(id);
    return known?.member === true ? [{ meta: known.meta, channelSeq: known.channelSeq }] : [];
  });
  const { manualAway, seq } = state;
  const last = page.at(-1);
  const more = ids.length > page.length && last !== undefined ? { next: last } : {};
  return answer<'memberships'>(
    { channels, manualAway, seq, ...more, ...(isFull(state) ? { full: true } : {}) },
    REPLY_BYTES + channels.length * MEMBERSHIP_BYTES,
  );
}

/** In as many channels as a user may be, or knowing of as many as it may keep in mind. */
function isFull({ memberships }: UserState): boolean {
  if (memberships.size < limits.channelsPerUserMax) return false;
  if (memberships.size >= limits.membershipsRememberedMax) return true;
  let count = 0;
  for (const [, { member }] of memberships.entries()) if (member) count += 1;
  return count >= limits.channelsPerUserMax;
}

function setPresence(state: UserState, command: CommandOf<'set-presence'>, now: number): Step {
  const away = command.presence === 'away';
  if (state.manualAway === away) return { kind: 'already' };
  const presence = away ? 'away' : 'active';
  return commit(state, now, state.stream, command.mutation, { kind: 'manual-presence', presence });
}

function decideTeam(state: TeamState, command: StreamCommand, now: number): Step {
  if (command.kind !== 'notice') return WRONG_STREAM;
  const first = state.changes.find(command.by, command.mutation);
  if (first !== undefined) return { kind: 'duplicate', seq: first.seq, count: first.count };
  return commit(state, now, command.by, command.mutation, { kind: 'notice', frame: command.frame });
}

function commit(state: StreamState, now: number, author: UserId, mutation: MutationId, body: EventBody): Step {
  return { kind: 'commit', events: [stamp(state, now, 0, author, mutation, body)] };
}

/** What a committed, settled or repeated command answers; `seq` is that of its first event, if it has one. */
export function resultOf(
  state: StreamState,
  command: StreamCommand,
  step: Extract<Step, { kind: 'commit' | 'already' | 'duplicate' }>,
  seq: number,
): unknown {
  const info = state.kind === 'conversation' ? infoOf(state, viewerOf(command)) : undefined;
  if (command.kind === 'open') return { info, created: step.kind === 'commit' };
  if (command.kind === 'join') return { info, already: step.kind !== 'commit' };
  if (command.kind === 'leave') return { wasMember: step.kind !== 'already' };
  if (command.kind === 'notice') return { seq };
  if (command.kind !== 'invite') return {};
  return { info, failed: step.kind === 'duplicate' ? [] : (step.failed ?? []) };
}

function viewerOf(command: StreamCommand): UserId {
  if (command.kind === 'open') return command.meta.creator;
  if (command.kind === 'invite') return command.by;
  return 'user' in command ? command.user : ('' as UserId);
}
