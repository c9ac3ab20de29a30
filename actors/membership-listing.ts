/**
 * A user's channels, put together from as many answers of the owner of its stream as they take.
 *
 * G1  The list states the seq of its first answer: a channel that was joined while later ones were on their way may lie
 *     before the place they go on from, and counts as not listed (M1 in gateway-membership.ts).
 * G2  Answers are bounded in number, and each must lie behind the one before: else the listing failed, and is made again.
 */
import type { CommandOutcome, CommandSender } from '../cluster/command-sender.ts';
import { limits } from '../platform/limits.ts';
import type { StreamResult } from '../protocol/commands.ts';
import { retryable } from '../protocol/errors.ts';
import type { ChannelId, UserId } from '../protocol/ids.ts';

type Memberships = StreamResult<'memberships'>;

export async function allMemberships(
  sender: Pick<CommandSender, 'toStream'>,
  user: UserId,
): Promise<CommandOutcome<Memberships>> {
  const channels: Memberships['channels'][number][] = [];
  let first: Memberships | undefined;
  let after: ChannelId | undefined;
  for (let answers = 0; answers < limits.membershipAnswersMax; answers += 1) {
    const position = after === undefined ? {} : { after };
    const outcome = await sender.toStream<'memberships'>(user, { kind: 'memberships', ...position });
    if (!outcome.ok) return outcome;
    first ??= outcome.result;
    channels.push(...outcome.result.channels);
    const { next } = outcome.result;
    if (next === undefined) return { ok: true, result: { channels, manualAway: first.manualAway, seq: first.seq } };
    if (after !== undefined && next <= after) break;
    after = next;
  }
  return { ok: false, failure: retryable('memberships do not end') };
}
