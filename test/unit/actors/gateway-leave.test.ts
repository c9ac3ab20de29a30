/** A user leaves a channel while a session of theirs is on its way from hello to `resume`. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { ChannelId, UserId } from '../../../protocol/ids.ts';
import { GatewayWorld, type FakeSocket } from '../../support/gateway-world.ts';

const ALICE = 'U0ALICE' as UserId;
const BOB = 'U0BOBBY' as UserId;
const GENERAL = 'C0GENERAL' as ChannelId;

let world: GatewayWorld;
let session: FakeSocket;

/** 1: bob joins, 2: alice joins, 3 and 4: bob speaks. hello says 4. */
beforeEach(() => {
  world = new GatewayWorld();
  for (const user of [BOB, ALICE]) world.owner.join(user, GENERAL);
  for (const text of ['three', 'four']) world.owner.say(GENERAL, BOB, text);
  session = world.open(ALICE, { resume: true });
  world.settle();
});

function resume(cursors: Record<string, number>): void {
  world.send(session, { id: 1, type: 'resume', cursors });
  world.settle();
}

/** Of the channel's own stream, not of what alice's says about it. */
const seen = () =>
  session.frames
    .filter(({ channel, stream, seq }) => channel === GENERAL && stream === undefined && seq !== undefined)
    .map(({ seq }) => seq);

function leave(): void {
  world.owner.leave(ALICE, GENERAL);
  world.owner.say(GENERAL, BOB, 'not for alice');
  world.settle();
}

describe('a leave between hello and `resume`', () => {
  it('is told, with everything before it and nothing after', () => {
    leave();
    expect(seen()).toEqual([]);
    resume({ [GENERAL]: 2 });
    expect(seen()).toEqual([3, 4, 5]);
    expect(session.frames.at(-1)).toMatchObject({ ok: true, reply_to: 1 });
    world.owner.say(GENERAL, BOB, 'nor this');
    world.settle();
    expect(seen()).toEqual([3, 4, 5]);
  });

  it("is told from hello's cursor to a client that names none", () => {
    leave();
    resume({});
    expect(seen()).toEqual([5]);
  });

  it('is not told again to a client that saw it elsewhere', () => {
    leave();
    resume({ [GENERAL]: 5 });
    expect(seen()).toEqual([]);
    expect(session.types()).not.toContain('resync');
  });

  it('is passed like everything else by one who is back by then', () => {
    leave();
    world.owner.join(ALICE, GENERAL);
    world.settle();
    resume({ [GENERAL]: 3 });
    expect(seen()).toEqual([4, 5, 6, 7]);
  });

  it('comes before what follows a join after `resume`', () => {
    leave();
    resume({ [GENERAL]: 3 });
    world.owner.join(ALICE, GENERAL);
    world.settle();
    expect(seen()).toEqual([4, 5, 7]);
  });

  it('ends with the session: the stream is let go of', () => {
    leave();
    expect(world.state.streams.has(GENERAL)).toBe(true);
    world.hangUp(session);
    expect(world.state.streams.has(GENERAL)).toBe(false);
  });
});
