/** The method table: every method of the API by its name. */
import { apiMethods } from './api.ts';
import { authMethods } from './auth-methods.ts';
import { botMethods } from './bots.ts';
import { chatMethods } from './chat.ts';
import type { Method, Methods } from './method.ts';
import { rtmMethods } from './rtm.ts';
import { teamMethods } from './team.ts';

export function makeMethodTable(): Methods {
  return {
    ...apiMethods,
    ...authMethods,
    ...teamMethods,
    ...botMethods,
    ...chatMethods,
    ...rtmMethods(),
  };
}

/** Undefined for what is not a method, `constructor` and the like included. */
export function findMethod(methods: Methods, name: string): Method | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}
