/** users.*: who is in the team, and who is there. */
import { z } from 'zod';
import { limits } from '../platform/limits.ts';
import { parseUserId } from '../protocol/ids.ts';
import { cursor, makeCursor, optionalPageSize, optionalUser, text, user } from './arguments.ts';
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
import { userObject } from './shapes.ts';

const listArgs = z.object({ limit: optionalPageSize, cursor: cursor('user', parseUserId) });
const presenceArgs = z.object({ user: optionalUser });
const setPresenceArgs = z.object({ presence: text('invalid_presence') });

export const userMethods: Methods = {
  'users.list': memberMethod(2, listArgs, list),
  'users.info': memberMethod(4, z.object({ user: user() }), async (context, call) =>
    answerUser(context, await context.directory.user(call.args.user), 'user_not_found'),
  ),
  'users.lookupByEmail': memberMethod(3, z.object({ email: text('users_not_found') }), async (context, call) =>
    answerUser(context, await context.directory.userByEmail(call.args.email), 'users_not_found'),
  ),
  'users.getPresence': memberMethod(3, presenceArgs, getPresence),
  'users.setPresence': memberMethod(2, setPresenceArgs, setPresence),
  'users.setActive': memberMethod(2, z.object({}), () => ok()),
};

type UserLookup = Awaited<ReturnType<WebappContext['directory']['user']>>;

function answerUser(context: WebappContext, found: UserLookup, missing: 'user_not_found' | 'users_not_found'): Answer {
  if (found.kind === 'unavailable') return unavailable;
  return found.kind === 'absent' ? refuse(missing) : ok({ user: userObject(found.value, context.settings.team.id) });
}

/** Without a limit the whole list, as old clients expect, while it is of a size to hand out at once. */
function list(context: WebappContext, call: MemberCall<z.output<typeof listArgs>>): Answer {
  const { limit = limits.usersListedWithoutLimitMax, cursor: after = '' } = call.args;
  const { users } = context.directory;
  if (call.args.limit === undefined && users.size > limits.usersListedWithoutLimitMax) return refuse('limit_required');
  const { records, more } = users.page(after, limit);
  const last = records.at(-1);
  return ok({
    members: records.map((record) => userObject(record, context.settings.team.id)),
    cache_ts: Math.floor(context.clock.wallMs() / 1_000),
    response_metadata: { next_cursor: more && last !== undefined ? makeCursor('user', last.id) : '' },
  });
}

async function getPresence(context: WebappContext, call: MemberCall<z.output<typeof presenceArgs>>): Promise<Answer> {
  const { user: asked = call.caller.user } = call.args;
  const found = await context.directory.user(asked);
  if (found.kind !== 'found') return found.kind === 'absent' ? refuse('user_not_found') : unavailable;
  const outcome = await context.send(call.startedMs, asked, { kind: 'get-presence' });
  if (!outcome.ok) return failed(outcome.failure, true);
  const { presence, autoAway, manualAway, connections, lastActivity } = outcome.result;
  if (asked !== call.caller.user) return ok({ presence });
  return ok({
    presence,
    online: connections > 0,
    auto_away: autoAway,
    manual_away: manualAway,
    connection_count: connections,
    ...(lastActivity === 0 ? {} : { last_activity: lastActivity }),
  });
}

/** `active` is an old spelling of `auto`. */
async function setPresence(
  context: WebappContext,
  call: MemberCall<z.output<typeof setPresenceArgs>>,
): Promise<Answer> {
  const wanted = call.args.presence === 'active' ? 'auto' : call.args.presence;
  if (wanted !== 'auto' && wanted !== 'away') return refuse('invalid_presence');
  const command = { kind: 'set-presence', presence: wanted, mutation: context.mutation() } as const;
  const outcome = await context.send(call.startedMs, call.caller.user, command);
  return outcome.ok ? ok() : failed(outcome.failure, true);
}
