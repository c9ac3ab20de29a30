/** conversations.history: a page of a conversation's messages, newest first, as its actor reads them from the log. */
import { z } from 'zod';
import { limits } from '../platform/limits.ts';
import { historyMessage } from '../protocol/frames.ts';
import { formatTs } from '../protocol/timestamp.ts';
import { channel, cursor, flag, makeCursor, pageSize, parsePosition, timestamp } from './arguments.ts';
import { failed, memberMethod, ok, type Answer, type MemberCall, type Methods, type WebappContext } from './method.ts';

const args = z.object({
  channel,
  limit: pageSize(limits.historyPageMessagesDefault, limits.historyPageMessagesMax),
  oldest: timestamp('invalid_ts_oldest'),
  latest: timestamp('invalid_ts_latest'),
  inclusive: flag,
  cursor: cursor('seq', parsePosition),
});

export const readingMethods: Methods = { 'conversations.history': memberMethod(3, args, history) };

async function history(context: WebappContext, call: MemberCall<z.output<typeof args>>): Promise<Answer> {
  const { channel: id, limit, oldest, latest, inclusive, cursor: before } = call.args;
  const bounds = {
    ...(oldest === undefined ? {} : { oldest }),
    ...(latest === undefined ? {} : { latest }),
    ...(before === undefined ? {} : { before }),
  };
  const command = { kind: 'history', viewer: call.caller.user, limit, inclusive, ...bounds } as const;
  const outcome = await context.send(call.startedMs, id, command);
  if (!outcome.ok) return failed(outcome.failure, true);
  const { messages, more, next } = outcome.result;
  const team = context.settings.team.id;
  const goesOn = more && next !== undefined;
  return ok({
    ...(oldest === undefined ? {} : { oldest: formatTs(oldest) }),
    ...(latest === undefined ? {} : { latest: formatTs(latest) }),
    messages: messages.flatMap(({ seq, event }) => historyMessage(seq, event, team) ?? []),
    has_more: goesOn,
    pin_count: 0,
    ...(goesOn ? { response_metadata: { next_cursor: makeCursor('seq', next) } } : {}),
  });
}
