/** conversations.join, leave, invite, kick, members: the channel's actor decides, this asks and words the answer. */
import { z } from 'zod';
import { limits } from '../platform/limits.ts';
import { isDirect, parseUserId, type UserId } from '../protocol/ids.ts';
import { channel, csv, cursor, flag, makeCursor, pageSize, user } from './arguments.ts';
import { fullUsers } from './lookups.ts';
import {
  failed,
  memberMethod,
  ok,
  refuse,
  unavailable,
  type Answer,
  type MemberCall,
  type Methods,
  type WebappContext,
} from './method.ts';
import { channelObjectOf } from './shapes.ts';

const MEMBERS_PAGE = 100;
const onlyChannel = z.object({ channel });
const inviteArgs = z.object({ channel, users: csv('no_user'), force: flag });
const kickArgs = z.object({ channel, user: user() });
const membersArgs = z.object({ channel, limit: pageSize(MEMBERS_PAGE), cursor: cursor('user', parseUserId) });

type ChannelCall = MemberCall<z.output<typeof onlyChannel>>;
type InviteCall = MemberCall<z.output<typeof inviteArgs>>;

export const membershipMethods: Methods = {
  'conversations.join': memberMethod(3, onlyChannel, join),
  'conversations.leave': memberMethod(3, onlyChannel, leave),
  'conversations.invite': memberMethod(3, inviteArgs, invite),
  'conversations.kick': memberMethod(3, kickArgs, kick),
  'conversations.members': memberMethod(4, membersArgs, members),
};

async function join(context: WebappContext, call: ChannelCall): Promise<Answer> {
  const { user: joining } = call.caller;
  if (isDirect(call.args.channel)) return refuse('method_not_supported_for_channel_type');
  const full = await fullUsers(context, call.startedMs, [joining]);
  if (!full.ok) return failed(full.failure, true);
  const join = { kind: 'join', user: joining, mutation: context.mutation() } as const;
  const command = full.result.length > 0 ? ({ ...join, full: true } as const) : join;
  const outcome = await context.send(call.startedMs, call.args.channel, command);
  if (!outcome.ok) return failed(outcome.failure, true);
  const shown = channelObjectOf(outcome.result.info, joining);
  if (!outcome.result.already) return ok({ channel: shown });
  const warning = 'already_in_channel';
  return ok({ channel: shown, warning, response_metadata: { warnings: [warning] } });
}

async function leave(context: WebappContext, call: ChannelCall): Promise<Answer> {
  const command = { kind: 'leave', user: call.caller.user, mutation: context.mutation() } as const;
  const outcome = await context.send(call.startedMs, call.args.channel, command);
  if (!outcome.ok) return failed(outcome.failure, true);
  return ok(outcome.result.wasMember ? {} : { not_in_channel: true });
}

type Refusals = readonly (readonly [string, string])[];

async function invite(context: WebappContext, call: InviteCall): Promise<Answer> {
  const { channel: id, users, force } = call.args;
  if (users.length === 0) return refuse('no_user');
  if (users.length > limits.inviteUsersMax) return refuse('too_many_users');
  const sorted = await sortInvitees(context, users);
  if (sorted === undefined) return unavailable;
  const { known, strangers } = sorted;
  if (known.length === 0 || (strangers.length > 0 && !force)) return refuseInvitees(strangers);
  const full = await fullUsers(context, call.startedMs, known);
  if (!full.ok) return failed(full.failure, true);
  const by = call.caller.user;
  const invitation = { kind: 'invite', by, users: known, mutation: context.mutation(), force } as const;
  const command = full.result.length > 0 ? { ...invitation, full: full.result } : invitation;
  const outcome = await context.send(call.startedMs, id, command);
  if (!outcome.ok) return failed(outcome.failure, true);
  const refusals: Refusals = [...strangers, ...outcome.result.failed];
  if (refusals.length >= new Set(users).size) return refuseInvitees(refusals);
  const errors = refusals.length === 0 ? {} : { errors: errorList(refusals) };
  return ok({ channel: channelObjectOf(outcome.result.info, by), ...errors });
}

/** Undefined when the directory is not to be had. */
async function sortInvitees(
  context: WebappContext,
  users: readonly string[],
): Promise<{ known: UserId[]; strangers: Refusals } | undefined> {
  const known: UserId[] = [];
  const strangers: (readonly [string, string])[] = [];
  for (const text of new Set(users)) {
    const id = parseUserId(text);
    const found = id === undefined ? undefined : await context.directory.user(id);
    if (found?.kind === 'unavailable') return undefined;
    if (id !== undefined && found?.kind === 'found') known.push(id);
    else strangers.push([text, 'user_not_found']);
  }
  return { known, strangers };
}

function refuseInvitees(refusals: Refusals): Answer {
  const error = refusals[0]?.[1] ?? 'cant_invite';
  return { kind: 'refused', error, body: { errors: errorList(refusals) } };
}

function errorList(refusals: Refusals): unknown[] {
  return refusals.map(([invitee, error]) => ({ user: invitee, ok: false, error }));
}

async function kick(context: WebappContext, call: MemberCall<z.output<typeof kickArgs>>): Promise<Answer> {
  const by = call.caller.user;
  const { channel: id, user: kicked } = call.args;
  if (kicked === by) return refuse('cant_kick_self');
  const found = await context.directory.user(kicked);
  if (found.kind !== 'found') return found.kind === 'absent' ? refuse('user_not_found') : unavailable;
  const command = { kind: 'kick', by, user: kicked, mutation: context.mutation() } as const;
  const outcome = await context.send(call.startedMs, id, command);
  return outcome.ok ? ok() : failed(outcome.failure, true);
}

async function members(context: WebappContext, call: MemberCall<z.output<typeof membersArgs>>): Promise<Answer> {
  const { channel: id, limit, cursor: after } = call.args;
  const position = after === undefined ? {} : { after };
  const command = { kind: 'members', viewer: call.caller.user, limit, ...position } as const;
  const outcome = await context.send(call.startedMs, id, command);
  if (!outcome.ok) return failed(outcome.failure, true);
  const { members: page, more } = outcome.result;
  const last = page.at(-1);
  const next_cursor = more && last !== undefined ? makeCursor('user', last) : '';
  return ok({ members: page, response_metadata: { next_cursor } });
}
