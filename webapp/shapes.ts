/**
 * Objects as clients read them: Slack's User, Channel, Bot and Team. Whole numbers stay whole numbers, ids stay strings;
 * what is not known is absent rather than null, unless Slack itself writes null.
 */
import { createHash } from 'node:crypto';
import type { ChannelInfo } from '../protocol/commands.ts';
import type { ChannelMeta } from '../protocol/events.ts';
import type { TeamId, UserId } from '../protocol/ids.ts';
import type { BotRecord, ChannelRecord, TeamRecord, UserRecord } from './directory-records.ts';

export type ApiObject = Readonly<Record<string, unknown>>;

const COLORS = ['9f69e7', '4bbe2e', 'e7392d', '3c989f', '674b1b', 'e96699', 'e0a729', '684b6c', '5b89d5', '2b6836'];

export function userObject(user: UserRecord, team: TeamId): ApiObject {
  const hash = createHash('sha256').update(user.id).digest();
  return {
    id: user.id,
    team_id: team,
    name: user.name,
    deleted: user.deleted,
    color: COLORS[(hash[0] ?? 0) % COLORS.length],
    real_name: user.realName,
    tz: 'Etc/UTC',
    tz_label: 'Coordinated Universal Time',
    tz_offset: 0,
    profile: profileObject(user, team, hash.toString('hex').slice(0, 12)),
    is_admin: user.isAdmin,
    is_owner: user.isAdmin,
    is_primary_owner: false,
    is_restricted: false,
    is_ultra_restricted: false,
    is_bot: user.bot !== undefined,
    is_app_user: false,
    is_email_confirmed: user.email !== undefined,
    updated: user.updated,
  };
}

function profileObject(user: UserRecord, team: TeamId, avatarHash: string): ApiObject {
  return {
    title: '',
    phone: '',
    real_name: user.realName,
    real_name_normalized: user.realName,
    display_name: user.name,
    display_name_normalized: user.name,
    status_text: '',
    status_emoji: '',
    status_expiration: 0,
    avatar_hash: avatarHash,
    ...(user.email === undefined ? {} : { email: user.email }),
    team,
    ...(user.bot === undefined ? {} : { bot_id: user.bot.id, api_app_id: user.bot.app, always_active: false }),
  };
}

export function botObject(bot: BotRecord): ApiObject {
  return {
    id: bot.id,
    deleted: bot.deleted,
    name: bot.name,
    updated: bot.updated,
    app_id: bot.app,
    user_id: bot.user,
    icons: {},
  };
}

export function teamObject(team: TeamRecord): ApiObject {
  return { id: team.id, name: team.name, domain: team.domain, email_domain: '', icon: { image_default: true } };
}

export interface ChannelFacts {
  readonly archived: boolean;
  readonly isMember: boolean;
  readonly memberCount?: number;
  /** The other one, in an im. */
  readonly other?: UserId;
}

/** `updated` is in milliseconds, `created` in seconds, as Slack has them. */
export function channelObject(meta: ChannelMeta, facts: ChannelFacts): ApiObject {
  if (meta.kind === 'im') return imObject(meta, facts);
  const { archived, isMember, memberCount } = facts;
  return {
    id: meta.id,
    name: meta.name,
    name_normalized: meta.name,
    is_channel: meta.kind === 'public',
    is_group: meta.kind === 'private',
    is_im: false,
    is_mpim: meta.kind === 'mpim',
    is_private: meta.kind !== 'public',
    is_archived: archived,
    is_general: meta.isGeneral,
    is_member: isMember,
    is_shared: false,
    is_ext_shared: false,
    is_org_shared: false,
    is_pending_ext_shared: false,
    created: meta.created,
    updated: meta.created * 1_000,
    creator: meta.creator,
    unlinked: 0,
    topic: NO_TEXT,
    purpose: NO_TEXT,
    previous_names: [],
    ...(memberCount === undefined ? {} : { num_members: memberCount }),
    context_team_id: meta.team,
    shared_team_ids: [meta.team],
    pending_shared: [],
    pending_connected_team_ids: [],
    parent_conversation: null,
  };
}

const NO_TEXT = { value: '', creator: '', last_set: 0 };

function imObject(meta: ChannelMeta, { archived, other }: ChannelFacts): ApiObject {
  return {
    id: meta.id,
    created: meta.created,
    is_im: true,
    is_archived: archived,
    is_org_shared: false,
    user: other ?? meta.creator,
    is_user_deleted: false,
    priority: 0,
    context_team_id: meta.team,
  };
}

/** From an actor's answer: the truth. `viewer` decides who the other one of an im is. */
export function channelObjectOf(info: ChannelInfo, viewer: UserId, withMemberCount = true): ApiObject {
  const other = info.members?.find((member) => member !== viewer) ?? viewer;
  return channelObject(info.meta, {
    archived: info.archived,
    isMember: info.isMember,
    ...(withMemberCount ? { memberCount: info.memberCount } : {}),
    ...(info.meta.kind === 'im' ? { other } : {}),
  });
}

/** From the directory's index: what lists show. */
export function metaOf({ id, kind, name, creator, created, isGeneral }: ChannelRecord, team: TeamId): ChannelMeta {
  return { id, team, kind, name, creator, created, isGeneral };
}
