/**
 * conversations.create.
 *
 * V1  The name is reserved first, the channel's actor opened second, the directory's record written last. A creation
 *     that stopped half-way is finished by its creator's next attempt, and nobody else sees it.
 * V2  Of two at once for one name, one is told `name_taken`; only its creator's own, in two webapps, may both get it.
 */
import { z } from 'zod';
import { makePrivateChannelId, makePublicChannelId, type UserId } from '../protocol/ids.ts';
import { announceChannel } from './announcements.ts';
import { flag, text } from './arguments.ts';
import { channelNameError } from './channel-names.ts';
import { openConversation } from './conversation-opening.ts';
import type { ChannelReservation } from './directory-records.ts';
import { fullUsers } from './lookups.ts';
import {
  failed,
  memberMethod,
  ok,
  refuse,
  unavailable,
  type Answer,
  type MemberCall,
  type Method,
  type WebappContext,
} from './method.ts';
import { channelObjectOf, metaOf } from './shapes.ts';

const args = z.object({ name: text('invalid_name_required', 'invalid_name'), is_private: flag });
type CreateCall = MemberCall<z.output<typeof args>>;

export function createChannelMethod(): Method {
  /** Names being created here now (V2); bounded by the requests in progress. */
  const underWay = new Set<string>();
  return memberMethod(2, args, async (context, call) => {
    const name = call.args.name.trim();
    const error = channelNameError(name);
    if (error !== undefined) return refuse(error);
    if (underWay.has(name)) return refuse('name_taken');
    if (context.directory.channels.full) return refuse('restricted_action');
    underWay.add(name);
    try {
      const full = await fullUsers(context, call.startedMs, [call.caller.user]);
      if (!full.ok) return failed(full.failure, true);
      return full.result.length > 0 ? refuse('too_many_channels') : await create(context, call, name);
    } finally {
      underWay.delete(name);
    }
  });
}

async function create(context: WebappContext, call: CreateCall, name: string): Promise<Answer> {
  const wanted = reservationFor(context, call.caller.user, name, call.args.is_private);
  const reserved = await context.directory.reserveChannel(wanted);
  if (reserved.kind === 'unavailable') return unavailable;
  if (reserved.kind === 'created') return finish(context, call, wanted);
  const standing = reserved.value;
  if (standing.creator !== wanted.creator || standing.kind !== wanted.kind) return refuse('name_taken');
  const published = await context.directory.channel(standing.id);
  if (published.kind === 'unavailable') return unavailable;
  return published.kind === 'found' ? refuse('name_taken') : finish(context, call, standing);
}

function reservationFor(context: WebappContext, creator: UserId, name: string, isPrivate: boolean): ChannelReservation {
  const id = isPrivate ? makePrivateChannelId(context.rng) : makePublicChannelId(context.rng);
  const created = Math.floor(context.clock.wallMs() / 1_000);
  // A team has one general channel: the public one of that name.
  const isGeneral = !isPrivate && name === 'general';
  return { id, kind: isPrivate ? 'private' : 'public', name, creator, created, isGeneral };
}

/** Everything here may be repeated (V1), so a failure is safe to retry whatever its kind. */
async function finish(context: WebappContext, call: CreateCall, reservation: ChannelReservation): Promise<Answer> {
  const record = { ...reservation, archived: false };
  const meta = metaOf(record, context.settings.team.id);
  const opened = await openConversation(context, call.startedMs, meta, [meta.creator]);
  if (!opened.ok) return failed(opened.failure, true);
  const published = await context.directory.publishChannel(record);
  if (published.kind === 'unavailable') return unavailable;
  if (meta.kind === 'public') announceChannel(context, call.startedMs, meta);
  return ok({ channel: channelObjectOf(opened.result.info, call.caller.user) });
}
