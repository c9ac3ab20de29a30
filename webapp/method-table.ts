/** The method table: every method of the API by its name. */
import { apiMethods } from './api.ts';
import { authMethods } from './auth-methods.ts';
import { belfryMethods } from './belfry-methods.ts';
import { botMethods } from './bots.ts';
import { chatMethods } from './chat.ts';
import { listingMethods } from './conversations-listing.ts';
import { membershipMethods } from './conversations-membership.ts';
import { readingMethods } from './conversations-reading.ts';
import { conversationMethods } from './conversations.ts';
import type { Method, Methods } from './method.ts';
import { rtmMethods } from './rtm.ts';
import { teamMethods } from './team.ts';
import { userMethods } from './users.ts';

export function makeMethodTable(): Methods {
  return {
    ...apiMethods,
    ...authMethods,
    ...teamMethods,
    ...botMethods,
    ...userMethods,
    ...conversationMethods(),
    ...membershipMethods,
    ...listingMethods,
    ...readingMethods,
    ...chatMethods,
    ...rtmMethods(),
    ...belfryMethods,
  };
}

/** Undefined for what is not a method, `constructor` and the like included. */
export function findMethod(methods: Methods, name: string): Method | undefined {
  return Object.hasOwn(methods, name) ? methods[name] : undefined;
}
