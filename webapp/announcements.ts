/**
 * Announcements: what every member of the team sees, in the team's stream.
 *
 * N1  At least once unless this process dies first: the sender retries with one mutation id, and answers do not wait.
 */
import type { ChannelMeta } from '../protocol/events.ts';
import type { MutationId, UserId } from '../protocol/ids.ts';
import type { UserRecord } from './directory-records.ts';
import type { WebappContext } from './method.ts';
import { userObject, type ApiObject } from './shapes.ts';

type Announcer = Pick<WebappContext, 'send' | 'settings' | 'logger'>;

export function announceChannel(context: Announcer, startedMs: number, meta: ChannelMeta): void {
  const { id, name, created, creator, team } = meta;
  const channel = {
    ...{ id, name, name_normalized: name, created, creator },
    ...{ is_channel: true, is_shared: false, is_org_shared: false, context_team_id: team },
  };
  announce(context, startedMs, { type: 'channel_created', channel }, `created.${id}`, creator);
}

export function announceUser(context: Announcer, startedMs: number, user: UserRecord): void {
  const frame = { type: 'team_join', user: userObject(user, context.settings.team.id) };
  announce(context, startedMs, frame, `team-join.${user.id}`, user.id);
}

function announce(context: Announcer, startedMs: number, frame: ApiObject, mutation: string, by: UserId): void {
  const notice = { kind: 'notice', frame, mutation: mutation as MutationId, by } as const;
  void context.send(startedMs, context.settings.team.id, notice).then((outcome) => {
    if (!outcome.ok) context.logger.warn('announcement_lost', { mutation, failure: outcome.failure.kind });
  });
}
