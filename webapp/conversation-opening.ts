/**
 * Opening conversations: the `open` command, and what a direct conversation is called and made of.
 *
 * O1  Opening is idempotent by the conversation's id: who opens what is open gets it as it is, if it is theirs.
 * O2  A direct conversation that is there already is nobody's next channel: only for one that is not are its members'
 *     channels counted (K2 in lookups.ts).
 */
import type { CommandOutcome } from '../cluster/command-sender.ts';
import type { StreamResult } from '../protocol/commands.ts';
import type { ChannelMeta } from '../protocol/events.ts';
import { rejected } from '../protocol/errors.ts';
import { directChannelId, type UserId } from '../protocol/ids.ts';
import type { UserRecord } from './directory-records.ts';
import { fullUsers } from './lookups.ts';
import type { WebappContext } from './method.ts';

export function openConversation(
  context: Pick<WebappContext, 'send' | 'mutation'>,
  startedMs: number,
  meta: ChannelMeta,
  members: readonly UserId[],
): Promise<CommandOutcome<StreamResult<'open'>>> {
  return context.send(startedMs, meta.id, { kind: 'open', meta, members, mutation: context.mutation() });
}

/** O2 */
export async function openDirect(
  context: Pick<WebappContext, 'send' | 'mutation'>,
  startedMs: number,
  { meta, members }: DirectConversation,
): Promise<CommandOutcome<StreamResult<'open'>>> {
  const there = await context.send(startedMs, meta.id, { kind: 'info', viewer: meta.creator });
  if (there.ok) return { ok: true, result: { info: there.result.info, created: false } };
  if (there.failure.kind !== 'rejected') return there;
  const full = await fullUsers(context, startedMs, members);
  if (!full.ok) return full;
  if (full.result.length > 0) return { ok: false, failure: rejected('too_many_channels') };
  return openConversation(context, startedMs, meta, members);
}

export interface DirectConversation {
  readonly meta: ChannelMeta;
  readonly members: readonly UserId[];
}

/** The conversation of `creator` with exactly these others (who may include the creator, for a note to self). */
export function directMeta(
  context: Pick<WebappContext, 'settings' | 'clock' | 'directory'>,
  creator: UserId,
  others: readonly UserRecord[],
): DirectConversation {
  const team = context.settings.team.id;
  const members = [...new Set([creator, ...others.map((other) => other.id)])];
  const id = directChannelId(team, members);
  const kind = members.length <= 2 ? 'im' : 'mpim';
  const created = Math.floor(context.clock.wallMs() / 1_000);
  const name = kind === 'im' ? '' : mpimName(context, members);
  return { meta: { id, team, kind, name, creator, created, isGeneral: false }, members };
}

/** As Slack calls them: the members' names in order. */
function mpimName(context: Pick<WebappContext, 'directory'>, members: readonly UserId[]): string {
  const names = members.map((id) => context.directory.users.get(id)?.name ?? id.toLowerCase());
  return `mpdm-${names.sort().join('--')}-1`;
}
