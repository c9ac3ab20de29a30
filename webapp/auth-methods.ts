/** auth.*: who am I, and the end of my token. */
import { z } from 'zod';
import { flag } from './arguments.ts';
import type { UserId } from '../protocol/ids.ts';
import { memberMethod, ok, tokenMethod, unavailable, type Answer, type Methods, type WebappContext } from './method.ts';
import { isMember, type Caller } from './token-store.ts';

export const authMethods: Methods = {
  'auth.test': tokenMethod('special', z.object({}), (context, { caller }) => whoAmI(context, caller)),
  'auth.revoke': memberMethod(3, z.object({ test: flag }), async (context, { args, caller }) => {
    if (args.test) return ok({ revoked: false });
    const outcome = await context.directory.tokens.revoke(caller.tokenHash);
    return outcome === 'unavailable' ? unavailable : ok({ revoked: true });
  }),
};

async function whoAmI(context: WebappContext, caller: Caller): Promise<Answer> {
  const { team, publicUrl } = context.settings;
  const about = { url: `${publicUrl}/`, team: team.name, team_id: team.id, is_enterprise_install: false };
  if (!isMember(caller)) return ok(about);
  const name = await nameOf(context, caller.user);
  if (name === undefined) return unavailable;
  const bot = caller.author.bot;
  return ok({ ...about, user: name, user_id: caller.user, ...(bot === undefined ? {} : { bot_id: bot.id }) });
}

/** Undefined when the directory is not to be had. */
export async function nameOf(context: WebappContext, user: UserId): Promise<string | undefined> {
  const found = await context.directory.user(user);
  if (found.kind === 'unavailable') return undefined;
  return found.kind === 'found' ? found.value.name : user;
}
