/** team.info: one cluster serves one team. */
import { z } from 'zod';
import { optionalText } from './arguments.ts';
import { memberMethod, ok, refuse, type Methods } from './method.ts';
import { teamObject } from './shapes.ts';

const args = z.object({ team: optionalText('team_not_found'), domain: optionalText('team_not_found') });

export const teamMethods: Methods = {
  'team.info': memberMethod(3, args, (context, call) => {
    const { team } = context.settings;
    const other = (call.args.team ?? team.id) !== team.id || (call.args.domain ?? team.domain) !== team.domain;
    return other ? refuse('team_not_found') : ok({ team: teamObject(team) });
  }),
};
