/** api.test: needs no token, echoes what it was given. */
import type { Methods } from './method.ts';

export const apiMethods: Methods = {
  'api.test': {
    access: 'open',
    tier: 4,
    run(_context, call) {
      const { token: _secret, ...args } = call.args;
      const error = args['error'];
      const body = Object.keys(args).length === 0 ? {} : { args };
      return typeof error === 'string' && error !== '' ? { kind: 'refused', error, body } : { kind: 'ok', body };
    },
  },
};
