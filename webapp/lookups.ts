/**
 * What a call must know of many streams, and of users' own streams above all.
 *
 * K1  `lookupsAtOnceMax` of one call are on their way at a time.
 * K2  A user's channels are counted before one is added: changes under way at once may pass the limit by as many. Whoever
 *     is in a channel already is told so all the same; so the channel's actor is told who is full, and decides.
 */
import type { CommandOutcome } from '../cluster/command-sender.ts';
import { limits } from '../platform/limits.ts';
import type { UserId } from '../protocol/ids.ts';
import type { WebappContext } from './method.ts';

/** The answers in the order of what is asked about. */
export async function askEach<T, R>(subjects: readonly T[], ask: (subject: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (let at = 0; at < subjects.length; at += limits.lookupsAtOnceMax) {
    answers.push(...(await Promise.all(subjects.slice(at, at + limits.lookupsAtOnceMax).map(ask))));
  }
  return answers;
}

/** Those who are in as many channels as one may be. */
export async function fullUsers(
  context: Pick<WebappContext, 'send'>,
  startedMs: number,
  users: readonly UserId[],
): Promise<CommandOutcome<readonly UserId[]>> {
  const ask = (user: UserId) => context.send(startedMs, user, { kind: 'memberships', limit: 0 });
  const full: UserId[] = [];
  for (const [at, outcome] of (await askEach(users, ask)).entries()) {
    if (!outcome.ok) return outcome;
    if (outcome.result.full === true) full.push(users[at] as UserId);
  }
  return { ok: true, result: full };
}
