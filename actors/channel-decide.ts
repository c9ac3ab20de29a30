/**
 * What a conversation answers to a command that may change it: pure, given the state, the command and the time.
 *
 * Invariants:
 * E1  A repeated mutation is found before anything else is looked at: it gets the first result, whatever changed since.
 * E2  Nobody learns from an answer whether a private conversation exists that they may not see (G10).
 * E3  `ts` = max(now, last + 1 microsecond): unique and rising, also when the clock steps back.
 * E4  A decision's events, folded in order, make its result true; a rejection has no events.
 */
import { rejected, type Failure, type SlackError } from '../protocol/errors.ts';
import type { DurableEvent, EventBody } from '../protocol/events.ts';
import type { ChannelInfo, StreamCommand, StreamResults } from '../protocol/commands.ts';
import type { MutationId, TeamId, UserId } from '../protocol/ids.ts';
import { limits } from '../platform/limits.ts';
import type { ConversationState, StreamState } from './channel-state.ts';

export type CommandOf<K extends StreamCommand['kind']> = Extract<StreamCommand, { kind: K }>;
/** Commands that a conversation may answer with events. */
export type Mutation = CommandOf<'open' | 'post' | 'join' | 'leave' | 'invite' | 'kick' | 'archive'>;

export type Decision =
  /** Append these, then answer. `failed` is for an invite that went through for some. */
  | { readonly kind: 'commit'; readonly events: readonly DurableEvent[]; readonly failed?: Failed }
  /** Nothing to append: it is so already. */
  | { readonly kind: 'already'; readonly failed?: Failed }
  /** The first result stands at `seq`. */
  | { readonly kind: 'duplicate'; readonly seq: number; readonly count: number }
  | { readonly kind: 'refused'; readonly failure: Failure };
type Failed = StreamResults['invite']['failed'];

const ALREADY: Decision = { kind: 'already' };
const refuse = (error: SlackError): Decision => ({ kind: 'refused', failure: rejected(error) });

/** `now` is in microseconds. */
export function decide(state: ConversationState, command: Mutation, now: number): Decision {
  const first = findFirst(state, command);
  if (first !== undefined) return { kind: 'duplicate', seq: first.seq, count: first.count };
  if (command.kind === 'open') return decideOpen(state, command, now);
  if (state.meta === undefined) return refuse('channel_not_found');
  switch (command.kind) {
    case 'post':
      return decidePost(state, command, now);
    case 'join':
      return decideJoin(state, command, now);
    case 'leave':
      return decideLeave(state, command, now);
    case 'invite':
      return decideInvite(state, command, now);
    case 'kick':
      return decideKick(state, command, now);
    case 'archive':
      return decideArchive(state, command, now);
    default:
      return command satisfies never;
  }
}

/** Undefined when the viewer may read; else why not. Public conversations can be seen by everybody, read by members. */
export function refuseReader(state: ConversationState, viewer: UserId): Failure | undefined {
  const error = refuseOutsider(state, viewer);
  return error === undefined ? undefined : rejected(error);
}

/** Undefined when the viewer may know that it exists and who is in it. */
export function refuseViewer(state: ConversationState, viewer: UserId): Failure | undefined {
  return canSee(state, viewer) ? undefined : rejected('channel_not_found');
}

/** What the viewer may know of it. Only for an opened conversation. */
export function infoOf(state: ConversationState, viewer: UserId): ChannelInfo | undefined {
  const { meta, archived, members, seq } = state;
  if (meta === undefined) return undefined;
  const info = { meta, archived, memberCount: members.size, isMember: members.has(viewer), seq };
  if (meta.kind === 'im') return { ...info, members: others(state, viewer) };
  return meta.kind === 'mpim' ? { ...info, members: members.page(undefined, limits.mpimUsersMax) } : info;
}

/** The other one of an im; oneself in a note to self. */
function others(state: ConversationState, viewer: UserId): UserId[] {
  const both = state.members.page(undefined, 2);
  const rest = both.filter((user) => user !== viewer);
  return rest.length > 0 ? rest : both;
}

/** The next event of any stream, stamped (E3). `offset` counts events already decided in the same decision. */
export function stamp(
  state: StreamState,
  now: number,
  offset: number,
  author: UserId | TeamId,
  mutation: MutationId,
  body: EventBody,
): DurableEvent {
  return { ts: Math.max(now, state.lastTs + 1) + offset, author, mutation, body };
}

function findFirst(state: ConversationState, command: Mutation): { seq: number; count: number } | undefined {
  const dedupe = command.kind === 'post' ? state.posts : state.changes;
  return dedupe.find(actorOf(command), command.mutation);
}

/** Whose mutation it is: the dedupe key's author. */
function actorOf(command: Mutation): UserId {
  switch (command.kind) {
    case 'open':
      return command.meta.creator;
    case 'post':
      return command.author.user;
    case 'join':
    case 'leave':
      return command.user;
    case 'invite':
    case 'kick':
    case 'archive':
      return command.by;
    default:
      return command satisfies never;
  }
}

function canSee(state: ConversationState, user: UserId): boolean {
  return state.meta !== undefined && (state.meta.kind === 'public' || state.members.has(user));
}

function refuseOutsider(state: ConversationState, user: UserId): SlackError | undefined {
  if (state.members.has(user)) return undefined;
  return canSee(state, user) ? 'not_in_channel' : 'channel_not_found';
}

/** Why `user` may not change the conversation's membership or state, if so. */
function refuseChange(state: ConversationState, user: UserId): SlackError | undefined {
  const outside = refuseOutsider(state, user);
  if (outside !== undefined) return outside;
  if (isDirectConversation(state)) return 'method_not_supported_for_channel_type';
  return state.archived ? 'is_archived' : undefined;
}

function isDirectConversation(state: ConversationState): boolean {
  return state.meta?.kind === 'im' || state.meta?.kind === 'mpim';
}

function one(state: ConversationState, now: number, command: Mutation, body: EventBody): Decision {
  return { kind: 'commit', events: [stamp(state, now, 0, actorOf(command), command.mutation, body)] };
}

function decideOpen(state: ConversationState, command: CommandOf<'open'>, now: number): Decision {
  const { meta } = command;
  if (state.meta !== undefined) return canSee(state, meta.creator) ? ALREADY : refuse('channel_not_found');
  const members = [...new Set([meta.creator, ...command.members])];
  return one(state, now, command, { kind: 'opened', meta, members });
}

function decidePost(state: ConversationState, command: CommandOf<'post'>, now: number): Decision {
  const { author, draft, origin } = command;
  const error = refuseOutsider(state, author.user);
  if (error !== undefined) return refuse(error);
  if (state.archived) return refuse('is_archived');
  const body = origin === undefined ? { kind: 'message', author, draft } : { kind: 'message', author, draft, origin };
  return one(state, now, command, body as EventBody);
}

function decideJoin(state: ConversationState, command: CommandOf<'join'>, now: number): Decision {
  const { user } = command;
  if (!canSee(state, user)) return refuse('channel_not_found');
  if (isDirectConversation(state)) return refuse('method_not_supported_for_channel_type');
  if (state.archived) return refuse('is_archived');
  if (state.members.has(user)) return ALREADY;
  if (command.full === true) return refuse('too_many_channels');
  if (state.members.size >= limits.channelMembersMax) return refuse('too_many_members');
  return one(state, now, command, { kind: 'joined', user });
}

function decideLeave(state: ConversationState, command: CommandOf<'leave'>, now: number): Decision {
  const { user } = command;
  if (!canSee(state, user)) return refuse('channel_not_found');
  if (isDirectConversation(state)) return refuse('method_not_supported_for_channel_type');
  if (!state.members.has(user)) return ALREADY;
  if (state.archived) return refuse('is_archived');
  if (state.meta?.isGeneral === true) return refuse('cant_leave_general');
  // Nobody could ever be invited to it again.
  if (state.meta?.kind === 'private' && state.members.size === 1) return refuse('last_member');
  return one(state, now, command, { kind: 'left', user });
}

function decideInvite(state: ConversationState, command: CommandOf<'invite'>, now: number): Decision {
  const error = refuseChange(state, command.by);
  if (error !== undefined) return refuse(error);
  const users = [...new Set(command.users)];
  const full = new Set(command.full);
  const failed = users.flatMap((user): [UserId, SlackError][] => {
    const reason = refuseInvitee(state, command.by, user) ?? (full.has(user) ? 'too_many_channels' : undefined);
    return reason === undefined ? [] : [[user, reason]];
  });
  if (failed[0] !== undefined && !command.force) return refuse(failed[0][1]);
  const lost = new Set(failed.map(([user]) => user));
  const welcome = users.filter((user) => !lost.has(user));
  if (state.members.size + welcome.length > limits.channelMembersMax) return refuse('too_many_members');
  if (welcome.length === 0) return { kind: 'already', failed };
  const events = welcome.map((user, i) =>
    stamp(state, now, i, command.by, command.mutation, { kind: 'joined', user, inviter: command.by }),
  );
  return { kind: 'commit', events, failed };
}

function refuseInvitee(state: ConversationState, by: UserId, user: UserId): SlackError | undefined {
  if (user === by) return 'cant_invite_self';
  return state.members.has(user) ? 'already_in_channel' : undefined;
}

function decideKick(state: ConversationState, command: CommandOf<'kick'>, now: number): Decision {
  const { by, user } = command;
  const error = refuseChange(state, by);
  if (error !== undefined) return refuse(error);
  if (user === by) return refuse('cant_kick_self');
  if (state.meta?.isGeneral === true) return refuse('cant_kick_from_general');
  if (!state.members.has(user)) return refuse('not_in_channel');
  return one(state, now, command, { kind: 'left', user, actor: by });
}

function decideArchive(state: ConversationState, command: CommandOf<'archive'>, now: number): Decision {
  const { by, archived } = command;
  const outside = refuseOutsider(state, by);
  if (outside !== undefined) return refuse(outside);
  if (isDirectConversation(state)) return refuse('method_not_supported_for_channel_type');
  if (state.meta?.isGeneral === true) return refuse('cant_archive_general');
  if (state.archived === archived) return refuse(archived ? 'already_archived' : 'not_archived');
  return one(state, now, command, { kind: 'archived', user: by, archived });
}
