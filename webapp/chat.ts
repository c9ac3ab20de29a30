/**
 * chat.postMessage: one message to one conversation, through its owner, acknowledged once it is in the log.
 *
 * C1  client_msg_id, where given, is the mutation's id: the same call again gives the first result. Without one the
 *     webapp makes an id, so that its own retries cannot double a post, and a post of unknown fate is not retried by
 *     the client either.
 * C2  Who may post where is the channel's to say; nothing here checks membership.
 */
import { parseChannelId, parseMutationId, parseUserId, type ChannelId, type UserId } from '../protocol/ids.ts';
import type { MessageDraft } from '../protocol/events.ts';
import { historyMessageJson } from '../protocol/frames.ts';
import { formatTs } from '../protocol/timestamp.ts';
import type { ApiArguments } from './api-request.ts';
import { directMeta, openDirect } from './conversation-opening.ts';
import { parseDraft } from './message-draft.ts';
import {
  failed,
  refuse,
  unavailable,
  type Answer,
  type MemberCall,
  type Methods,
  type WebappContext,
} from './method.ts';

export const chatMethods: Methods = {
  'chat.postMessage': { access: 'member', tier: 'post', run: postMessage },
};

type PostCall = MemberCall<ApiArguments>;

function postMessage(context: WebappContext, call: PostCall): Promise<Answer> | Answer {
  const { channel } = call.args;
  if (typeof channel !== 'string' || channel === '') return refuse('channel_not_found');
  const parsed = parseDraft(call.args);
  if (!parsed.ok) return refuse(parsed.error);
  const id = parseChannelId(channel);
  if (id !== undefined) return post(context, call, id, parsed.draft);
  const user = parseUserId(channel);
  return user === undefined
    ? postByName(context, call, channel, parsed.draft)
    : postToUser(context, call, user, parsed.draft);
}

function post(
  context: WebappContext,
  call: PostCall,
  channel: ChannelId,
  draft: MessageDraft,
): Promise<Answer> | Answer {
  const limited = limitPerChannel(context, call, channel);
  if (limited !== undefined) return limited;
  const { author } = call.caller;
  const mutation = parseMutationId(draft.clientMsgId) ?? context.mutation();
  return context.send(call.startedMs, channel, { kind: 'post', author, draft, mutation }).then((outcome) => {
    if (!outcome.ok) return failed(outcome.failure, draft.clientMsgId !== undefined);
    const { seq, ts, first } = outcome.result;
    const event = first ?? { ts, author: author.user, mutation, body: { kind: 'message', author, draft } };
    const message = historyMessageJson(seq, event, context.settings.team.id);
    return { kind: 'written', json: `{"ok":true,"channel":"${channel}","ts":"${formatTs(ts)}","message":${message}}` };
  });
}

/** Slack's rule of one message a second holds per channel. */
function limitPerChannel(context: WebappContext, call: PostCall, channel: ChannelId): Answer | undefined {
  const { caller, startedMs } = call;
  if (caller.unlimited || !context.rates.postsPerChannel) return undefined;
  const retryAfterSeconds = context.rates.take(`${caller.tokenHash}:${channel}`, 'post', startedMs);
  return retryAfterSeconds === 0 ? undefined : { kind: 'rate-limited', retryAfterSeconds };
}

async function postByName(context: WebappContext, call: PostCall, name: string, draft: MessageDraft): Promise<Answer> {
  const found = await context.directory.channelByName(name.replace(/^#/, ''));
  if (found.kind === 'unavailable') return unavailable;
  return found.kind === 'absent' ? refuse('channel_not_found') : post(context, call, found.value.id, draft);
}

/** A user's id stands for the direct conversation with them, which is opened if it is not. */
async function postToUser(context: WebappContext, call: PostCall, user: UserId, draft: MessageDraft): Promise<Answer> {
  const found = await context.directory.user(user);
  if (found.kind === 'unavailable') return unavailable;
  if (found.kind === 'absent') return refuse('channel_not_found');
  const direct = directMeta(context, call.caller.user, [found.value]);
  const { id } = direct.meta;
  const first = await post(context, call, id, draft);
  if (first.kind !== 'refused' || first.error !== 'channel_not_found') return first;
  const opened = await openDirect(context, call.startedMs, direct);
  return opened.ok ? post(context, call, id, draft) : failed(opened.failure, true);
}
