import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, infoOf, refuseReader, type Mutation } from '../../../actors/channel-decide.ts';
import { apply, emptyState, type ConversationState } from '../../../actors/channel-state.ts';
import { limits } from '../../../platform/limits.ts';
import type { SlackError } from '../../../protocol/errors.ts';
import type { ChannelMeta, DurableEvent } from '../../../protocol/events.ts';
import type { ChannelId, UserId } from '../../../protocol/ids.ts';
import { ALICE, BOB, CAROL, channelMeta, GENERAL, mutation, post, userId } from '../../support/actor-lab.ts';

const USERS = [ALICE, BOB, CAROL] as const;
const NOW = 1_700_000_000_000_000;

function opened(rest: Partial<ChannelMeta> = {}, members: readonly UserId[] = [ALICE, BOB]): ConversationState {
  const state = emptyState(GENERAL) as ConversationState;
  run(state, { kind: 'open', meta: channelMeta(GENERAL, rest), members, mutation: mutation('open') });
  return state;
}

/** Decides and folds. */
function run(state: ConversationState, command: Mutation, now = NOW): ReturnType<typeof decide> {
  const decision = decide(state, command, now);
  if (decision.kind === 'commit') for (const event of decision.events) apply(state, event);
  return decision;
}

const join = (user: UserId, id = `join-${user}`): Mutation => ({ kind: 'join', user, mutation: mutation(id) });
const leave = (user: UserId, id = `leave-${user}`): Mutation => ({ kind: 'leave', user, mutation: mutation(id) });
const kick = (by: UserId, user: UserId): Mutation => ({ kind: 'kick', by, user, mutation: mutation(`kick-${user}`) });
const archive = (by: UserId, archived = true): Mutation => ({
  kind: 'archive',
  by,
  archived,
  mutation: mutation(`archive-${archived}`),
});
const invite = (by: UserId, users: readonly UserId[], force = false): Mutation => ({
  kind: 'invite',
  by,
  users,
  force,
  mutation: mutation(`invite-${users.join()}`),
});
const refused = (error: SlackError) => ({ kind: 'refused', failure: { kind: 'rejected', error } });

describe('over any history of commands', () => {
  const user = fc.constantFrom(...USERS);
  const id = fc.integer({ min: 0, max: 30 });
  const command: fc.Arbitrary<Mutation> = fc.oneof(
    fc.tuple(user, id).map(([who, n]) => post(who, `text ${n}`, n)),
    fc.tuple(user, id).map(([who, n]) => join(who, `j${n}`)),
    fc.tuple(user, id).map(([who, n]) => leave(who, `l${n}`)),
    fc.tuple(user, user).map(([by, who]) => kick(by, who)),
    fc.tuple(user, fc.subarray([...USERS]), fc.boolean()).map(([by, users, force]) => invite(by, users, force)),
    fc.tuple(user, fc.boolean()).map(([by, archived]) => archive(by, archived)),
  );
  /** A command, and how far the wall clock moved before it: it may step back. */
  const history = fc.array(fc.tuple(command, fc.integer({ min: -5_000, max: 5_000 })), { maxLength: 60, size: 'max' });
  const kind = fc.constantFrom('public' as const, 'private' as const);

  test('timestamps rise and are unique, also when the clock steps back', () => {
    fc.assert(
      fc.property(history, kind, (steps, channelKind) => {
        const { events } = replay(steps, channelKind);
        for (const [i, event] of events.entries()) {
          if (i > 0) expect(event.ts).toBeGreaterThan(events[i - 1]!.ts);
        }
      }),
    );
  });

  test('seq counts the events, and the same events give the same state', () => {
    fc.assert(
      fc.property(history, kind, (steps, channelKind) => {
        const { state, events } = replay(steps, channelKind);
        expect(state.seq).toBe(events.length);
        const again = emptyState(GENERAL) as ConversationState;
        for (const event of events) apply(again, event);
        expect(summary(again)).toEqual(summary(state));
      }),
    );
  });

  test('a mutation has at most one effect per author, and its repeat finds it', () => {
    fc.assert(
      fc.property(history, kind, (steps, channelKind) => {
        const { state, events } = replay(steps, channelKind);
        const posts = events.filter((event) => event.body.kind === 'message');
        const keys = posts.map((event) => `${event.author} ${event.mutation}`);
        expect(new Set(keys).size).toBe(keys.length);
        for (const event of posts) {
          const seq = events.indexOf(event) + 1;
          const repeat = post(event.author as UserId, 'another text', event.mutation.slice(2));
          expect(decide(state, repeat, NOW)).toEqual({ kind: 'duplicate', seq, count: 1 });
        }
      }),
    );
  });

  test('nobody acts or reads without being a member; an archived channel takes no posts', () => {
    fc.assert(
      fc.property(history, kind, user, (steps, channelKind, who) => {
        const { state } = replay(steps, channelKind);
        const decision = decide(state, post(who, 'hello', 'new'), NOW);
        const allowed = state.members.has(who) && !state.archived;
        expect(decision.kind).toBe(allowed ? 'commit' : 'refused');
        expect(refuseReader(state, who) === undefined).toBe(state.members.has(who));
        if (state.members.has(who)) return;
        const error = channelKind === 'private' ? 'channel_not_found' : 'not_in_channel';
        expect(decision).toEqual(refused(error));
      }),
    );
  });

  function replay(steps: readonly (readonly [Mutation, number])[], channelKind: 'public' | 'private') {
    const state = emptyState(GENERAL) as ConversationState;
    const events: DurableEvent[] = [];
    const meta = channelMeta(GENERAL, { kind: channelKind });
    let now = NOW;
    const all: [Mutation, number][] = [[{ kind: 'open', meta, members: [ALICE], mutation: mutation('open') }, 0]];
    for (const [one, moved] of [...all, ...steps]) {
      now += moved;
      const decision = run(state, one, now);
      if (decision.kind === 'commit') events.push(...decision.events);
    }
    return { state, events };
  }

  function summary(state: ConversationState) {
    const { seq, lastTs, meta, archived } = state;
    return { seq, lastTs, meta, archived, members: state.members.page(undefined, 99), posts: state.posts.rows() };
  }
});

describe('joining and leaving', () => {
  test('a public channel takes whoever asks, once', () => {
    const state = opened();
    expect(run(state, join(CAROL))).toMatchObject({ kind: 'commit' });
    expect(run(state, join(CAROL, 'again'))).toEqual({ kind: 'already' });
    expect(run(state, join(CAROL))).toEqual({ kind: 'duplicate', seq: 2, count: 1 });
  });

  test('a private channel does not exist for whoever is not in it', () => {
    const state = opened({ kind: 'private' });
    for (const command of [join(CAROL), leave(CAROL), invite(CAROL, [CAROL]), kick(CAROL, BOB), archive(CAROL)]) {
      expect(run(state, command)).toEqual(refused('channel_not_found'));
    }
  });

  test.each(['im', 'mpim'] as const)('the members of an %s are fixed', (kind) => {
    const state = opened({ kind });
    for (const command of [join(BOB), leave(BOB), invite(BOB, [CAROL]), kick(BOB, ALICE), archive(BOB)]) {
      expect(run(state, command)).toEqual(refused('method_not_supported_for_channel_type'));
    }
  });

  test('nobody leaves or is removed from the general channel, and it is not archived', () => {
    const state = opened({ isGeneral: true });
    expect(run(state, leave(BOB))).toEqual(refused('cant_leave_general'));
    expect(run(state, kick(ALICE, BOB))).toEqual(refused('cant_kick_from_general'));
    expect(run(state, archive(ALICE))).toEqual(refused('cant_archive_general'));
  });

  test('the last member of a private channel stays', () => {
    expect(run(opened({ kind: 'private' }, [ALICE]), leave(ALICE))).toEqual(refused('last_member'));
  });

  test('an invitation is carried out for all or, with force, for whom it can be', () => {
    const state = opened();
    expect(run(state, invite(ALICE, [ALICE]))).toEqual(refused('cant_invite_self'));
    expect(run(state, invite(ALICE, [CAROL, BOB]))).toEqual(refused('already_in_channel'));
    const decision = run(state, invite(ALICE, [BOB, CAROL], true));
    expect(decision).toMatchObject({ kind: 'commit', failed: [[BOB, 'already_in_channel']] });
    expect(state.members.has(CAROL)).toBe(true);
    expect(run(state, invite(CAROL, [ALICE, BOB, CAROL], true))).toMatchObject({ kind: 'already' });
  });

  test('whoever is in as many channels as one may be comes into no further one, and stays in this one', () => {
    const state = opened();
    expect(run(state, { ...join(CAROL), full: true } as Mutation)).toEqual(refused('too_many_channels'));
    expect(run(state, { ...join(BOB), full: true } as Mutation)).toMatchObject({ kind: 'already' });
    expect(run(state, { ...invite(ALICE, [CAROL]), full: [CAROL] } as Mutation)).toEqual(refused('too_many_channels'));
    const forced = { ...invite(ALICE, [BOB, CAROL], true), full: [BOB, CAROL] } as Mutation;
    const failed = [
      [BOB, 'already_in_channel'],
      [CAROL, 'too_many_channels'],
    ];
    expect(run(state, forced)).toEqual({ kind: 'already', failed });
  });

  test('a channel takes no more members than its limit', () => {
    const state = opened();
    for (let n = state.members.size; n < limits.channelMembersMax; n += 1) state.members.set(userId(n), 1);
    expect(run(state, join(CAROL))).toEqual(refused('too_many_members'));
    expect(run(state, invite(ALICE, [CAROL]))).toEqual(refused('too_many_members'));
    run(state, leave(BOB));
    expect(run(state, join(CAROL))).toMatchObject({ kind: 'commit' });
  });

  test('kicking needs a member on both sides', () => {
    const state = opened();
    expect(run(state, kick(CAROL, BOB))).toEqual(refused('not_in_channel'));
    expect(run(state, kick(ALICE, ALICE))).toEqual(refused('cant_kick_self'));
    expect(run(state, kick(ALICE, CAROL))).toEqual(refused('not_in_channel'));
    expect(run(state, kick(ALICE, BOB))).toMatchObject({ kind: 'commit' });
  });

  test('an archived channel says so, and again when it is so already', () => {
    const state = opened();
    expect(run(state, archive(ALICE, false))).toEqual(refused('not_archived'));
    run(state, archive(ALICE));
    expect(run(state, post(ALICE, 'x', 'x'))).toEqual(refused('is_archived'));
    expect(run(state, join(CAROL))).toEqual(refused('is_archived'));
    expect(run(state, { ...archive(ALICE), mutation: mutation('b') } as Mutation)).toEqual(refused('already_archived'));
  });
});

describe('opening', () => {
  test('twice finds the first, for those who may see it', () => {
    const state = opened({ kind: 'im', id: 'D0ALICEBOB' as ChannelId });
    const again = (creator: UserId): Mutation => ({
      kind: 'open',
      meta: channelMeta(GENERAL, { kind: 'im', creator }),
      members: [ALICE, BOB],
      mutation: mutation(`by-${creator}`),
    });
    expect(run(state, again(BOB))).toEqual({ kind: 'already' });
    expect(run(state, again(CAROL))).toEqual(refused('channel_not_found'));
  });

  test('nothing is known of a channel that was never opened', () => {
    const state = emptyState(GENERAL) as ConversationState;
    for (const command of [post(ALICE, 'x', 1), join(ALICE), archive(ALICE)]) {
      expect(run(state, command)).toEqual(refused('channel_not_found'));
    }
  });

  test('an im names the other one to each', () => {
    const state = opened({ kind: 'im' });
    expect(infoOf(state, ALICE)?.members).toEqual([BOB]);
    expect(infoOf(state, BOB)?.members).toEqual([ALICE]);
  });
});

test('what a member did is found again after they left', () => {
  const state = opened();
  run(state, post(BOB, 'x', 'p'));
  run(state, leave(BOB));
  expect(run(state, post(BOB, 'x', 'p'))).toEqual({ kind: 'duplicate', seq: 2, count: 1 });
  expect(run(state, post(BOB, 'y', 'q'))).toEqual(refused('not_in_channel'));
});

test('the thousand latest posts are remembered, whatever else happened', () => {
  const state = opened();
  for (let i = 0; i < 1_000; i++) {
    run(state, post(ALICE, 'x', i));
    run(state, i % 2 === 0 ? leave(BOB, `l${i}`) : join(BOB, `j${i}`));
  }
  expect(run(state, post(ALICE, 'x', 0))).toMatchObject({ kind: 'duplicate', seq: 2 });
  run(state, post(ALICE, 'x', 'one more'));
  expect(run(state, post(ALICE, 'x', 1))).toMatchObject({ kind: 'duplicate' });
  expect(run(state, post(ALICE, 'x', 0))).toMatchObject({ kind: 'commit' });
});
