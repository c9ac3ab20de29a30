/** What a user's stream says of the user's channels: pages, and when there are as many as there may be. */
import { describe, expect, test } from 'vitest';
import { emptyState, type UserState } from '../../../actors/channel-state.ts';
import { decideStream } from '../../../actors/stream-decide.ts';
import { limits } from '../../../platform/limits.ts';
import type { StreamCommand, StreamResult } from '../../../protocol/commands.ts';
import type { ChannelId } from '../../../protocol/ids.ts';
import { ALICE, channelMeta } from '../../support/actor-lab.ts';

const channelId = (n: number) => `C${String(n).padStart(7, '0')}` as ChannelId;

/** In `inside` channels, gone from `gone` more. */
function userIn(inside: number, gone = 0): UserState {
  const state = emptyState(ALICE) as UserState;
  for (let n = 0; n < inside + gone; n += 1) note(state, n, n < inside);
  return state;
}

function note(state: UserState, n: number, member: boolean): void {
  const meta = channelMeta(channelId(n));
  state.memberships.set(meta.id, { meta, channelSeq: 1, member });
}

function ask(state: UserState, rest: Partial<Extract<StreamCommand, { kind: 'memberships' }>> = {}) {
  const step = decideStream(state, { kind: 'memberships', ...rest }, 1);
  if (step.kind !== 'answer') throw new Error(step.kind);
  return step.result as StreamResult<'memberships'>;
}

describe("a user's stream", () => {
  test('lists channels in pages, and none where only their number is asked for', () => {
    const state = userIn(2_000);
    const first = ask(state);
    expect(first.next).toBe(first.channels.at(-1)?.meta.id);
    const after = first.next as ChannelId;
    expect(first.channels.length + ask(state, { after }).channels.length).toBe(2_000);
    expect(ask(state, { limit: 3 }).channels).toHaveLength(3);
    expect(ask(state, { limit: 0 })).toEqual({ channels: [], manualAway: false, seq: 0 });
  });

  test('says when the user is in as many as one may be, in each answer; what was left does not count', () => {
    const state = userIn(limits.channelsPerUserMax - 1, 500);
    expect(ask(state, { limit: 0 }).full).toBeUndefined();
    note(state, 999_999, true);
    expect(ask(state, { limit: 0 })).toEqual({ channels: [], manualAway: false, seq: 0, full: true });
    expect(ask(state).full).toBe(true);
    note(state, 0, false);
    expect(ask(state).full).toBeUndefined();
  });

  test('says so too when it knows of as many as it may, those left included', () => {
    const state = userIn(1, limits.membershipsRememberedMax - 2);
    expect(ask(state, { limit: 0 }).full).toBeUndefined();
    note(state, 999_999, true);
    expect(ask(state, { limit: 0 }).full).toBe(true);
  });
});
