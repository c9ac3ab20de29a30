/**
 * belfry.*: what an administrator does and Slack's dialect has no word for. Admin tokens only.
 *
 * B1  A token is shown once, in the answer that made it.
 */
import { z } from 'zod';
import { parseNodeId } from '../protocol/ids.ts';
import { announceUser } from './announcements.ts';
import { flag, optionalApp, optionalText, optionalUser, text } from './arguments.ts';
import {
  adminMethod,
  ok,
  refuse,
  unavailable,
  type Answer,
  type Methods,
  type TokenCall,
  type WebappContext,
} from './method.ts';
import { userObject } from './shapes.ts';
import { tokenHashOf, type Grant } from './token-store.ts';
import { createApp, createUser, isName, type App, type NewUser, type UserOutcome } from './workspace.ts';

const userArgs = z.object({
  name: text('invalid_arguments').refine(isName, { error: 'invalid_arguments' }),
  real_name: optionalText().refine((name) => name === undefined || isName(name), { error: 'invalid_arguments' }),
  email: optionalText().refine(isEmail, { error: 'invalid_arguments' }),
  is_bot: flag,
});
const appArgs = z.object({ name: text('invalid_arguments').refine(isName, { error: 'invalid_arguments' }) });
const tokenArgs = z.object({
  user: optionalUser,
  app: optionalApp,
  kind: optionalText().pipe(z.enum(['user', 'bot', 'app', 'admin'], { error: 'invalid_arguments' }).optional()),
  unlimited: flag,
});
const revokeArgs = z.object({ token: optionalText(), token_hash: optionalText() });
const drainArgs = z.object({ node: text('node_not_found') });

export const belfryMethods: Methods = {
  'belfry.users.create': adminMethod(userArgs, makeUser),
  'belfry.apps.create': adminMethod(appArgs, makeApp),
  'belfry.tokens.create': adminMethod(tokenArgs, makeToken),
  'belfry.tokens.revoke': adminMethod(revokeArgs, revokeToken),
  'belfry.cluster.info': adminMethod(z.object({}), async (context) => ok({ ...(await context.clusterInfo()) })),
  'belfry.cluster.drain': adminMethod(drainArgs, drain),
};

/** Local parts and domains are the mail system's to judge. */
function isEmail(email: string | undefined): boolean {
  return email === undefined || (email.length <= 254 && /^[^\s@]+@[^\s@]+$/.test(email));
}

async function makeUser(context: WebappContext, call: TokenCall<z.output<typeof userArgs>>): Promise<Answer> {
  const { name, real_name: realName, email, is_bot: isBot } = call.args;
  if (isBot) return makeBotUser(context, call, name.trim());
  const wanted: NewUser = {
    name: name.trim(),
    ...(realName === undefined ? {} : { realName: realName.trim() }),
    ...(email === undefined ? {} : { email: email.trim() }),
  };
  const made = await createUser(context.directory, wanted);
  if (made.kind !== 'made') return refuseUser(context, made);
  const token = await context.directory.tokens.issue({ kind: 'user', user: made.user.id, unlimited: false });
  if (token === undefined) return unavailable;
  announceUser(context, call.startedMs, made.user);
  return ok({ user: userObject(made.user, context.settings.team.id), token });
}

async function makeBotUser(context: WebappContext, call: TokenCall<unknown>, name: string): Promise<Answer> {
  const made = await createApp(context.directory, name);
  if (made.kind !== 'made') return refuseUser(context, made);
  if (!made.isNew) return refuseUser(context, { kind: 'taken', what: 'name', user: made.user });
  const token = await context.directory.tokens.issue(botGrant(made));
  if (token === undefined) return unavailable;
  announceUser(context, call.startedMs, made.user);
  return ok({ user: userObject(made.user, context.settings.team.id), token });
}

/** Names who has the name, so that a repeated set-up can go on with them. */
function refuseUser(context: WebappContext, outcome: Exclude<UserOutcome, { kind: 'made' }>): Answer {
  switch (outcome.kind) {
    case 'taken': {
      const user = userObject(outcome.user, context.settings.team.id);
      return refuse(outcome.what === 'name' ? 'name_taken' : 'email_taken', { user });
    }
    case 'full':
      return refuse('restricted_action');
    case 'unavailable':
      return unavailable;
    default:
      return outcome satisfies never;
  }
}

async function makeApp(context: WebappContext, call: TokenCall<z.output<typeof appArgs>>): Promise<Answer> {
  const { tokens } = context.directory;
  const made = await createApp(context.directory, call.args.name.trim());
  if (made.kind !== 'made') return refuseUser(context, made);
  const signingSecret = await tokens.signingSecret(made.app.id);
  const botToken = await tokens.issue(botGrant(made));
  const appToken = await tokens.issue({ kind: 'app', app: made.app.id, unlimited: false });
  if (signingSecret === undefined || botToken === undefined || appToken === undefined) return unavailable;
  if (made.isNew) announceUser(context, call.startedMs, made.user);
  return ok({
    app_id: made.app.id,
    bot_id: made.bot.id,
    user_id: made.user.id,
    bot_token: botToken,
    app_token: appToken,
    signing_secret: signingSecret,
  });
}

function botGrant({ app, bot, user }: App, unlimited = false): Grant {
  return { kind: 'bot', user: user.id, bot: { id: bot.id, app: app.id, name: bot.name }, unlimited };
}

async function makeToken(context: WebappContext, call: TokenCall<z.output<typeof tokenArgs>>): Promise<Answer> {
  const grant = await grantFor(context, call.args);
  if ('answer' in grant) return grant.answer;
  const token = await context.directory.tokens.issue(grant.grant);
  return token === undefined ? unavailable : ok({ token, token_hash: tokenHashOf(token), kind: grant.grant.kind });
}

type GrantOutcome = { readonly grant: Grant } | { readonly answer: Answer };

async function grantFor(context: WebappContext, args: z.output<typeof tokenArgs>): Promise<GrantOutcome> {
  const { user, app, kind, unlimited } = args;
  if (kind === 'admin') return { grant: { kind, unlimited } };
  if (kind === 'app') {
    return app === undefined ? { answer: refuse('invalid_arguments') } : { grant: { kind, app, unlimited } };
  }
  if (user === undefined) return { answer: refuse('user_not_found') };
  const found = await context.directory.user(user);
  if (found.kind !== 'found') return { answer: found.kind === 'absent' ? refuse('user_not_found') : unavailable };
  const { bot, name } = found.value;
  if ((kind ?? 'user') !== (bot === undefined ? 'user' : 'bot') && kind !== undefined) {
    return { answer: refuse('invalid_arguments') };
  }
  return bot === undefined
    ? { grant: { kind: 'user', user, unlimited } }
    : { grant: { kind: 'bot', user, bot: { ...bot, name }, unlimited } };
}

/** The token to revoke stands in `token` while the admin's own is in the header; or by its hash. */
async function revokeToken(context: WebappContext, call: TokenCall<z.output<typeof revokeArgs>>): Promise<Answer> {
  const { token, token_hash: hash } = call.args;
  if (token === undefined && hash === undefined) return refuse('invalid_arguments');
  const tokenHash = hash ?? tokenHashOf(token ?? '');
  if (!/^[0-9a-f]{64}$/.test(tokenHash)) return refuse('invalid_arguments');
  const outcome = await context.directory.tokens.revoke(tokenHash);
  if (outcome === 'unavailable') return unavailable;
  return outcome === 'absent' ? refuse('invalid_arguments') : ok({ revoked: true });
}

async function drain(context: WebappContext, call: TokenCall<z.output<typeof drainArgs>>): Promise<Answer> {
  const node = parseNodeId(call.args.node);
  const outcome = node === undefined ? 'not-found' : await context.requestDrain(node);
  if (outcome === 'unavailable') return unavailable;
  return outcome === 'not-found' ? refuse('node_not_found') : ok();
}
