/** A client that comes from a faster gateway: it has seen of a user's channels what this one has yet to hear. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { ChannelId, UserId } from '../../../protocol/ids.ts';
import { GatewayWorld } from '../../support/gateway-world.ts';

const ALICE = 'U0ALICE' as UserId;
const BOB = 'U0BOBBY' as UserId;
const GENERAL = 'C0GENERAL' as ChannelId;
const RANDOM = 'C0RANDOM' as ChannelId;

let world: GatewayWorld;
beforeEach(() => {
  world = new GatewayWorld();
  for (const user of [ALICE, BOB]) world.owner.join(user, GENERAL);
});

/** The user is known here before the client comes. */
function greet(user: UserId): void {
  world.open(user);
  world.settle();
}

describe('a client that was at a faster gateway', () => {
  it('is not sent again what it saw there of a channel that this one has not heard of yet', () => {
    greet(ALICE);
    // Joined and spoken in, and all of it is still on its way to here.
    world.owner.join(ALICE, RANDOM);
    for (const text of ['two', 'three', 'four']) world.owner.say(RANDOM, BOB, text);
    const here = world.open(ALICE, { resume: true });
    expect(Object.keys(here.frames[0]?.['cursors'] as object)).not.toContain(RANDOM);
    const cursors = { [RANDOM]: 3, [ALICE]: world.owner.tail(ALICE), [GENERAL]: world.owner.tail(GENERAL) };
    world.send(here, { id: 1, type: 'resume', cursors });
    world.settle();
    expect(here.seqs(RANDOM)).toEqual([4]);
    world.owner.say(RANDOM, BOB, 'five');
    world.settle();
    expect(here.seqs(RANDOM)).toEqual([4, 5]);
  });

  it('may name many such channels; beyond the limit they are passed over', () => {
    world = new GatewayWorld({ limits: { resumeUnheardMax: 2 } });
    world.owner.join(ALICE, GENERAL);
    greet(ALICE);
    const channels = ['C0000001', 'C0000002', 'C0000003'] as ChannelId[];
    for (const channel of channels) {
      world.owner.join(ALICE, channel);
      world.owner.say(channel, BOB, 'seen');
    }
    const here = world.open(ALICE, { resume: true });
    world.send(here, { id: 1, type: 'resume', cursors: Object.fromEntries(channels.map((channel) => [channel, 2])) });
    world.settle();
    expect(channels.map((channel) => here.seqs(channel))).toEqual([[], [], [1, 2]]);
  });
});
