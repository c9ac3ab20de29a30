import { describe, expect, test } from 'vitest';
import { allMemberships } from '../../../actors/membership-listing.ts';
import type { CommandOutcome, CommandSender } from '../../../cluster/command-sender.ts';
import { limits } from '../../../platform/limits.ts';
import type { StreamCommand, StreamResult } from '../../../protocol/commands.ts';
import { retryable } from '../../../protocol/errors.ts';
import type { ChannelId, UserId } from '../../../protocol/ids.ts';
import { TEAM } from '../../support/scripted-owner.ts';

type Memberships = StreamResult<'memberships'>;
type Asked = Extract<StreamCommand, { kind: 'memberships' }>;

const user = 'U0ALICE' as UserId;
const channelId = (at: number) => `C${String(at).padStart(6, '0')}` as ChannelId;
const membershipOf = (at: number): Memberships['channels'][number] => ({
  meta: { id: channelId(at), team: TEAM, name: `n${at}`, creator: user, created: 1, kind: 'public', isGeneral: false },
  channelSeq: at,
});

function senderOf(answer: (asked: Asked) => CommandOutcome<Memberships>) {
  const asked: Asked[] = [];
  const toStream = (_stream: unknown, command: Asked) => {
    asked.push(command);
    return Promise.resolve(answer(command));
  };
  return { asked, sender: { toStream } as unknown as Pick<CommandSender, 'toStream'> };
}

/** `total` channels, `perAnswer` in each answer; the user's stream moves on with each. */
function ownerOf(total: number, perAnswer: number) {
  let seq = 40;
  return senderOf(({ after }) => {
    const from = after === undefined ? 0 : Number(after.slice(1)) + 1;
    const to = Math.min(total, from + perAnswer);
    const channels = Array.from({ length: to - from }, (_, at) => membershipOf(from + at));
    const next = to < total ? { next: channelId(to - 1) } : {};
    return { ok: true, result: { channels, manualAway: false, seq: (seq += 1), ...next } };
  });
}

describe("the list of a user's channels", () => {
  test('is read to its end, however many answers it takes', async () => {
    const { sender, asked } = ownerOf(10_000, 1_600);
    const outcome = await allMemberships(sender, user);
    expect(outcome.ok && outcome.result.channels.map(({ channelSeq }) => channelSeq)).toEqual(
      Array.from({ length: 10_000 }, (_, at) => at),
    );
    expect(asked).toHaveLength(7);
    expect(asked[0]).toEqual({ kind: 'memberships' });
  });

  test('counts as made where its first answer was, since a join may have come in behind a later one', async () => {
    const { sender } = ownerOf(5, 2);
    const outcome = await allMemberships(sender, user);
    expect(outcome.ok && outcome.result.seq).toBe(41);
  });

  test('fails as a whole when one answer does', async () => {
    const failure = retryable('no_owner');
    const { sender } = senderOf(({ after }) => {
      if (after !== undefined) return { ok: false, failure };
      return { ok: true, result: { channels: [membershipOf(1)], manualAway: false, seq: 1, next: channelId(1) } };
    });
    expect(await allMemberships(sender, user)).toEqual({ ok: false, failure });
  });

  test('fails when answers go round in circles, or never end', async () => {
    const circle = senderOf(() => ({
      ok: true,
      result: { channels: [], manualAway: false, seq: 1, next: channelId(7) },
    }));
    expect(await allMemberships(circle.sender, user)).toMatchObject({ ok: false, failure: { kind: 'retryable' } });
    expect(circle.asked).toHaveLength(2);
    const endless = ownerOf(1_000_000, 1);
    expect(await allMemberships(endless.sender, user)).toMatchObject({ ok: false, failure: { kind: 'retryable' } });
    expect(endless.asked).toHaveLength(limits.membershipAnswersMax);
  });
});
