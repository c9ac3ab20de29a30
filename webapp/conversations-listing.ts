/**
 * conversations.list and users.conversations.
 *
 * L1  Public channels come from the directory's index and are everybody's to see; all else comes from the stream of the
 *     user whose it is. Pages go by id, so C… before D… before G…, and a cursor is the last id shown.
 * L2  Lists have no num_members: that would be one command for each channel. conversations.info has it.
 * L3  In an im that the viewer opened, the other one is asked of the im itself, only for the ims of the page.
 * L4  A list is whole or fails: one that does not end within `membershipAnswersMax` answers is not cut.
 */
import { z } from 'zod';
import { allMemberships } from '../actors/membership-listing.ts';
import type { CommandSender } from '../cluster/command-sender.ts';
import type { ChannelMeta, ConversationKind } from '../protocol/events.ts';
import type { Failure } from '../protocol/errors.ts';
import { parseChannelId, type ChannelId, type UserId } from '../protocol/ids.ts';
import { cursor, flag, makeCursor, optionalCsv, optionalUser, pageSize } from './arguments.ts';
import { askEach } from './lookups.ts';
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
import { channelObject, metaOf, type ApiObject } from './shapes.ts';

const LIST_PAGE = 100;
const KINDS: Readonly<Record<string, ConversationKind>> = {
  public_channel: 'public',
  private_channel: 'private',
  im: 'im',
  mpim: 'mpim',
};

const shared = {
  types: optionalCsv('invalid_types').transform((types, context) => {
    const kinds = (types ?? ['public_channel']).map((type) => (Object.hasOwn(KINDS, type) ? KINDS[type] : undefined));
    if (kinds.includes(undefined)) context.addIssue({ code: 'custom', message: 'invalid_types' });
    return new Set(kinds);
  }),
  exclude_archived: flag,
  limit: pageSize(LIST_PAGE),
  cursor: cursor('channel', parseChannelId),
};
const listArgs = z.object(shared);
const mineArgs = z.object({ ...shared, user: optionalUser });

type ListCall = MemberCall<z.output<typeof listArgs>>;
type MineCall = MemberCall<z.output<typeof mineArgs>>;

export const listingMethods: Methods = {
  'conversations.list': memberMethod(2, listArgs, list),
  'users.conversations': memberMethod(3, mineArgs, conversationsOf),
};

type Memberships = ReadonlyMap<ChannelId, ChannelMeta>;
type MembershipsOutcome =
  | { readonly ok: true; readonly channels: Memberships }
  | { readonly ok: false; readonly failure: Failure };

async function list(context: WebappContext, call: ListCall): Promise<Answer> {
  const mine = await membershipsOf(context, call, call.caller.user);
  if (!mine.ok) return failed(mine.failure, true);
  const { types, limit, cursor: after = '' } = call.args;
  const page = types.has('public') ? publicPage(context, call, after, limit) : { metas: [], more: false };
  if (!page.more) {
    const others = [...mine.channels.values()].filter((meta) => meta.kind !== 'public');
    const rest = pageOf(context, call, others, after, limit - page.metas.length);
    return answerPage(context, call, [...page.metas, ...rest.metas], rest.more, mine.channels);
  }
  return answerPage(context, call, page.metas, true, mine.channels);
}

async function conversationsOf(context: WebappContext, call: MineCall): Promise<Answer> {
  const { user = call.caller.user, cursor: after = '', limit } = call.args;
  const mine = await membershipsOf(context, call, call.caller.user);
  if (!mine.ok) return failed(mine.failure, true);
  let shown = [...mine.channels.values()];
  if (user !== call.caller.user) {
    const found = await context.directory.user(user);
    if (found.kind !== 'found') return found.kind === 'absent' ? refuse('user_not_found') : unavailable;
    const theirs = await membershipsOf(context, call, user);
    if (!theirs.ok) return failed(theirs.failure, true);
    shown = [...theirs.channels.values()].filter((meta) => meta.kind === 'public' || mine.channels.has(meta.id));
  }
  const page = pageOf(context, call, shown, after, limit);
  return answerPage(context, call, page.metas, page.more, mine.channels);
}

/** Every channel of a user (L4). */
async function membershipsOf(context: WebappContext, call: ListCall, user: UserId): Promise<MembershipsOutcome> {
  const toStream = (stream: UserId, command: { kind: 'memberships' }) => context.send(call.startedMs, stream, command);
  const outcome = await allMemberships({ toStream } as Pick<CommandSender, 'toStream'>, user);
  if (!outcome.ok) return outcome;
  return { ok: true, channels: new Map(outcome.result.channels.map(({ meta }) => [meta.id, meta])) };
}

type Page = { readonly metas: readonly ChannelMeta[]; readonly more: boolean };

function publicPage(context: WebappContext, call: ListCall, after: string, limit: number): Page {
  const { exclude_archived: onlyLive } = call.args;
  const page = context.directory.channels.page(
    after,
    limit,
    (record) => record.kind === 'public' && !(onlyLive && record.archived),
  );
  return { metas: page.records.map((record) => metaOf(record, context.settings.team.id)), more: page.more };
}

function pageOf(context: WebappContext, call: ListCall, all: ChannelMeta[], after: string, limit: number): Page {
  const { types, exclude_archived: onlyLive } = call.args;
  const kept = all
    .filter((meta) => types.has(meta.kind) && meta.id > after && !(onlyLive && isArchived(context, meta.id)))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return { metas: kept.slice(0, limit), more: kept.length > limit };
}

function isArchived(context: WebappContext, id: ChannelId): boolean {
  return context.directory.channels.get(id)?.archived === true;
}

async function answerPage(
  context: WebappContext,
  call: ListCall,
  metas: readonly ChannelMeta[],
  more: boolean,
  mine: Memberships,
): Promise<Answer> {
  const others = await othersOf(context, call, metas);
  const channels = metas.map((meta): ApiObject => {
    const other = others.get(meta.id);
    const facts = { archived: isArchived(context, meta.id), isMember: mine.has(meta.id) };
    return channelObject(meta, other === undefined ? facts : { ...facts, other });
  });
  const last = metas.at(-1);
  const next_cursor = more && last !== undefined ? makeCursor('channel', last.id) : '';
  return ok({ channels, response_metadata: { next_cursor } });
}

/** Who the viewer talks with in these ims; one that cannot be asked now is left out. */
async function othersOf(
  context: WebappContext,
  call: ListCall,
  metas: readonly ChannelMeta[],
): Promise<ReadonlyMap<ChannelId, UserId>> {
  const viewer = call.caller.user;
  const others = new Map<ChannelId, UserId>();
  const asked = metas.filter((meta) => meta.kind === 'im' && meta.creator === viewer);
  const outcomes = await askEach(asked, (meta) => context.send(call.startedMs, meta.id, { kind: 'info', viewer }));
  for (const outcome of outcomes) {
    const info = outcome.ok ? outcome.result.info : undefined;
    const other = info?.members?.find((member) => member !== viewer);
    if (info !== undefined && other !== undefined) others.set(info.meta.id, other);
  }
  return others;
}
