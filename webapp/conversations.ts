/** conversations.open, info, archive, unarchive. Creation, membership, listing and reading have files of their own. */
import { z } from 'zod';
import { limits } from '../platform/limits.ts';
import { parseUserId, type ChannelId, type UserId } from '../protocol/ids.ts';
import { channel, flag, optionalChannel, optionalCsv } from './arguments.ts';
import { createChannelMethod } from './channel-creation.ts';
import { directMeta, openDirect, type DirectConversation } from './conversation-opening.ts';
import type { UserRecord } from './directory-records.ts';
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

const openArgs = z.object({
  channel: optionalChannel,
  users: optionalCsv('users_list_not_supplied'),
  return_im: flag,
  prevent_creation: flag,
});
const infoArgs = z.object({ channel, include_num_members: flag });
const onlyChannel = z.object({ channel });

type OpenCall = MemberCall<z.output<typeof openArgs>>;
type ChannelCall = MemberCall<z.output<typeof onlyChannel>>;

export function conversationMethods(): Methods {
  return {
    'conversations.create': createChannelMethod(),
    'conversations.open': memberMethod(3, openArgs, open),
    'conversations.info': memberMethod(3, infoArgs, info),
    'conversations.archive': memberMethod(2, onlyChannel, (context, call) => setArchived(context, call, true)),
    'conversations.unarchive': memberMethod(2, onlyChannel, (context, call) => setArchived(context, call, false)),
  };
}

async function info(context: WebappContext, call: MemberCall<z.output<typeof infoArgs>>): Promise<Answer> {
  const viewer = call.caller.user;
  const outcome = await context.send(call.startedMs, call.args.channel, { kind: 'info', viewer });
  if (!outcome.ok) return failed(outcome.failure, true);
  return ok({ channel: channelObjectOf(outcome.result.info, viewer, call.args.include_num_members) });
}

async function open(context: WebappContext, call: OpenCall): Promise<Answer> {
  const { channel: known, users, prevent_creation: onlyIfThere } = call.args;
  if (known !== undefined) return reopen(context, call, known);
  if (users === undefined) return refuse('users_list_not_supplied');
  const ids = new Set(users);
  if (ids.size > 1) ids.delete(call.caller.user);
  if (ids.size === 0) return refuse('not_enough_users');
  if (ids.size > limits.openUsersMax) return refuse('too_many_users');
  const others = await findUsers(context, [...ids]);
  if (!Array.isArray(others)) return others;
  const direct = directMeta(context, call.caller.user, others);
  return onlyIfThere ? reopen(context, call, direct.meta.id) : openOrMake(context, call, direct);
}

async function findUsers(context: WebappContext, ids: readonly string[]): Promise<UserRecord[] | Answer> {
  const users: UserRecord[] = [];
  for (const text of ids) {
    const id = parseUserId(text);
    if (id === undefined) return refuse('user_not_found');
    const found = await context.directory.user(id);
    if (found.kind === 'unavailable') return unavailable;
    if (found.kind === 'absent') return refuse('user_not_found');
    users.push(found.value);
  }
  return users;
}

async function openOrMake(context: WebappContext, call: OpenCall, direct: DirectConversation): Promise<Answer> {
  const outcome = await openDirect(context, call.startedMs, direct);
  if (!outcome.ok) return failed(outcome.failure, true);
  const { info: about, created } = outcome.result;
  const already = created ? {} : { no_op: true, already_open: true };
  return ok({ ...already, channel: shown(call, about) });
}

/** A direct conversation that is there already; nothing is created. */
async function reopen(context: WebappContext, call: OpenCall, id: ChannelId): Promise<Answer> {
  if (id.startsWith('C')) return refuse('method_not_supported_for_channel_type');
  const outcome = await context.send(call.startedMs, id, { kind: 'info', viewer: call.caller.user });
  if (!outcome.ok) return failed(outcome.failure, true);
  const { info: about } = outcome.result;
  const { kind } = about.meta;
  if (kind !== 'im' && kind !== 'mpim') return refuse('method_not_supported_for_channel_type');
  return ok({ no_op: true, already_open: true, channel: shown(call, about) });
}

function shown(call: OpenCall, about: Parameters<typeof channelObjectOf>[0]): Readonly<Record<string, unknown>> {
  return call.args.return_im ? channelObjectOf(about, call.caller.user) : { id: about.meta.id };
}

async function setArchived(context: WebappContext, call: ChannelCall, archived: boolean): Promise<Answer> {
  const { channel: id } = call.args;
  const by: UserId = call.caller.user;
  const mutation = context.mutation();
  const outcome = await context.send(call.startedMs, id, { kind: 'archive', by, archived, mutation });
  // An earlier attempt may have stopped between the channel and the index.
  const repeated = archived ? 'already_archived' : 'not_archived';
  const settled = outcome.ok || (outcome.failure.kind === 'rejected' && outcome.failure.error === repeated);
  if (settled) await indexArchived(context, id, archived);
  return outcome.ok ? ok() : failed(outcome.failure, true);
}

/** The index may lag behind the channel; what it lacks shows only in lists. */
async function indexArchived(context: WebappContext, id: ChannelId, archived: boolean): Promise<void> {
  const change = await context.directory.setArchived(id, archived);
  if (change.kind === 'unavailable') context.logger.warn('archive_not_indexed', { channel: id, archived });
}
