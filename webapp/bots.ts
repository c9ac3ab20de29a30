/** bots.info: from a bot's id to its app and its user. */
import { z } from 'zod';
import { bot } from './arguments.ts';
import { memberMethod, ok, refuse, unavailable, type Methods } from './method.ts';
import { botObject } from './shapes.ts';

export const botMethods: Methods = {
  'bots.info': memberMethod(3, z.object({ bot }), async (context, call) => {
    const found = await context.directory.bot(call.args.bot);
    if (found.kind === 'unavailable') return unavailable;
    return found.kind === 'absent' ? refuse('bot_not_found') : ok({ bot: botObject(found.value) });
  }),
};
