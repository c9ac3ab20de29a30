/** The gateway actor's rules one by one, in a world that moves only when told to. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { gatewayLimits } from '../../../actors/gateway-limits.ts';
import type { ChannelId, UserId } from '../../../protocol/ids.ts';
import { GatewayWorld, type FakeSocket } from '../../support/gateway-world.ts';

const ALICE = 'U0ALICE' as UserId;
const BOB = 'U0BOBBY' as UserId;
const CAROL = 'U0CAROL' as UserId;
const GENERAL = 'C0GENERAL' as ChannelId;
const RANDOM = 'C0RANDOM' as ChannelId;

let world: GatewayWorld;
beforeEach(() => {
  world = new GatewayWorld();
  for (const user of [ALICE, BOB]) world.owner.join(user, GENERAL);
});

function live(user: UserId, claims: Parameters<GatewayWorld['open']>[1] = {}): FakeSocket {
  const socket = world.open(user, claims);
  world.settle();
  return socket;
}

const of = (socket: FakeSocket, type: string) => socket.frames.filter((frame) => frame['type'] === type);

describe('setting up', () => {
  it('asks each slot once for all who open in one turn, and greets when all is answered', () => {
    const sockets = [world.open(ALICE), world.open(BOB), world.open(ALICE)];
    world.flush();
    const admits = world.commands.filter((one) => one.kind === 'ask-slot' && one.command.kind === 'admit');
    expect(admits.length).toBe(3);
    expect(sockets.flatMap((socket) => socket.frames)).toEqual([]);
    world.settle();
    for (const socket of sockets) expect(socket.types()).toEqual(['hello']);
  });

  it('takes hundreds of channels in a few round trips', () => {
    const channels = Array.from({ length: 500 }, (_, n) => `C${String(n).padStart(8, '0')}` as ChannelId);
    for (const channel of channels) world.owner.join(ALICE, channel);
    const socket = world.open(ALICE, { resume: true });
    let rounds = 0;
    for (; socket.frames.length === 0 && rounds < 10; rounds += 1) {
      world.flush();
      while (world.commands.length > 0) world.carry();
      while (world.answers.length > 0) world.answer();
    }
    expect(rounds).toBeLessThanOrEqual(3);
    expect(Object.keys(socket.frames[0]?.['cursors'] as object)).toHaveLength(503);
  });

  it('lets a second session of a user in at once, without asking again', () => {
    live(ALICE);
    const second = world.open(ALICE);
    expect(second.types()).toEqual(['hello']);
  });

  it('finds the subscriptions of a user who comes back soon, and gives them up after a while', () => {
    const first = live(ALICE);
    world.hangUp(first);
    world.pass(gatewayLimits.interestLingerMs - 500);
    expect(world.open(ALICE).types()).toEqual(['hello']);
    for (const socket of world.sockets.values()) world.hangUp(socket);
    world.pass(gatewayLimits.interestLingerMs + 500);
    world.settle();
    expect(world.owner.interested(GENERAL)).toBe(false);
    expect([world.state.streams.size, world.state.users.size]).toEqual([0, 0]);
  });

  it('is given up when it takes too long', () => {
    const socket = world.open(ALICE);
    world.pass(gatewayLimits.sessionSetupMs + 100);
    expect(socket.closedWith).toBe(4102);
  });

  it('waits while the gateway is cut off, and goes on when it is back', () => {
    world.apply({ kind: 'broker', connected: false });
    world.pass(gatewayLimits.isolationHelloMs + 100);
    const socket = world.open(ALICE);
    world.pass(1_000);
    world.settle();
    expect(socket.frames).toEqual([]);
    world.apply({ kind: 'broker', connected: true });
    world.settle();
    world.pass(200);
    expect(socket.types()).toEqual(['hello']);
  });
});

describe('a gateway that is cut off', () => {
  it('sends its sessions elsewhere after a grace', () => {
    const socket = live(ALICE);
    world.apply({ kind: 'broker', connected: false });
    world.pass(gatewayLimits.isolationGraceMs - 200);
    expect(socket.isOpen).toBe(true);
    world.pass(400);
    expect(socket.closedWith).toBe(4003);
  });

  it('asks for what was published meanwhile when it is back', () => {
    const socket = live(ALICE);
    world.apply({ kind: 'broker', connected: false });
    world.owner.say(GENERAL, BOB, 'unheard');
    world.emit();
    world.deliver(true);
    world.apply({ kind: 'broker', connected: true });
    world.settle();
    expect(socket.seqs(GENERAL)).toEqual([3]);
  });
});

describe('frames', () => {
  it('over the rate are refused, and a flood ends the session; an unlimited token is not limited', () => {
    const { sessionFramesBurstMax: burst, sessionFramesFloodMax: flood } = gatewayLimits;
    const socket = live(ALICE);
    const free = live(BOB, { unlimited: true });
    for (let n = 0; n < burst + 10; n += 1) world.send(socket, { id: n, type: 'ping' });
    expect(of(socket, 'pong')).toHaveLength(burst);
    expect(socket.frames.at(-1)).toMatchObject({ ok: false, error: { code: 4, msg: 'ratelimited' } });
    world.pass(1_000);
    world.send(socket, { id: 1, type: 'ping' });
    expect(socket.frames.at(-1)).toEqual({ type: 'pong', reply_to: 1 });
    for (let n = 0; n < burst + flood && socket.isOpen; n += 1) world.send(socket, 'noise');
    expect(socket.closedWith).toBe(4202);
    for (let n = 0; n < burst * 5; n += 1) world.send(free, { id: n, type: 'ping' });
    expect(of(free, 'pong')).toHaveLength(burst * 5);
  });

  it('of any kind never throw and never leave a session without an answer to a ping', () => {
    const socket = live(ALICE, { unlimited: true });
    const kinds = fc.constantFrom('message', 'typing', 'presence_sub', 'presence_query', 'resume', 'ping', 'x');
    const frame = fc.record({ type: kinds, id: fc.anything(), channel: fc.constantFrom(GENERAL, RANDOM, 5, null) });
    fc.assert(
      fc.property(frame, fc.object(), (known, more) => {
        const text = JSON.stringify({ ...more, ...known }, (_, value: unknown) =>
          typeof value === 'bigint' ? String(value) : value,
        );
        world.send(socket, text);
        world.settle();
        world.send(socket, { id: 77, type: 'ping' });
        expect(socket.frames.at(-1)).toEqual({ type: 'pong', reply_to: 77 });
      }),
      { numRuns: 300 },
    );
  });

  it('queue per channel, and the queue is bounded', () => {
    const socket = live(ALICE);
    for (let id = 1; id <= gatewayLimits.sessionFramesInProgressMax + 1; id += 1) {
      world.send(socket, { id, type: 'message', channel: GENERAL, text: `m${id}` });
    }
    expect(world.commands.filter((one) => one.kind === 'post')).toHaveLength(1);
    expect(socket.frames.at(-1)).toMatchObject({ ok: false, error: { msg: 'ratelimited' } });
    world.settle();
    const acks = socket.frames.filter((frame) => frame['ok'] === true).map((frame) => frame['reply_to']);
    expect(acks).toEqual(Array.from({ length: gatewayLimits.sessionFramesInProgressMax }, (_, n) => n + 1));
  });
});

describe('a post', () => {
  const message = { id: 9, type: 'message', channel: GENERAL, text: 'hi' };

  it('that fails is refused, and if it comes after all its sender sees it as an event', () => {
    const socket = live(ALICE);
    world.send(socket, message);
    const command = world.commands[0]!;
    world.carry(true);
    world.answer();
    expect(socket.frames.at(-1)).toEqual({ ok: false, reply_to: 9, error: { code: 3, msg: 'service_unavailable' } });
    world.commands.push(command);
    world.settle();
    expect(of(socket, 'message')).toMatchObject([{ text: 'hi' }]);
  });

  it('repeated with its client_msg_id gets the first one again', () => {
    const socket = live(ALICE);
    for (const id of [9, 10]) world.send(socket, { ...message, id, client_msg_id: 'once' });
    world.settle();
    const acks = socket.frames.filter((frame) => frame['ok'] === true);
    expect(acks.map((ack) => [ack['reply_to'], ack['seq']])).toEqual([
      [9, 3],
      [10, 3],
    ]);
  });

  it('is acknowledged at its place: after what came before it, before what follows', () => {
    const socket = live(ALICE);
    world.owner.say(GENERAL, BOB, 'before');
    world.send(socket, message);
    world.carry();
    world.owner.say(GENERAL, BOB, 'behind');
    world.answer();
    expect(socket.frames.at(-1)).toEqual({ type: 'hello' });
    world.emit();
    world.deliver();
    const shown = socket.frames.slice(1).map((frame) => [frame['type'] ?? 'ack', frame['seq']]);
    expect(shown).toEqual([
      ['message', 3],
      ['ack', 4],
      ['message', 5],
    ]);
  });
});

describe('a gap', () => {
  it('is asked for at once, and again; then given up with a resync, and live goes on', () => {
    const socket = live(ALICE);
    world.owner.say(GENERAL, BOB, 'lost');
    world.emit();
    world.deliver(true);
    world.owner.say(GENERAL, BOB, 'held');
    world.emit();
    world.deliver();
    world.flush();
    const asks = () => world.commands.filter((one) => one.kind === 'ask-slot' && one.command.kind === 'cursors');
    expect(asks()).toContainEqual(
      expect.objectContaining({ command: expect.objectContaining({ entries: [[GENERAL, 2]] }) }),
    );
    expect(socket.seqs(GENERAL)).toEqual([]);
    world.pass(gatewayLimits.gapHoldMs + 100);
    expect(of(socket, 'resync')).toEqual([{ type: 'resync', channel: GENERAL, from: 2 }]);
    expect(socket.seqs(GENERAL)).toEqual([4]);
  });

  it('holds no more than its limit', () => {
    world = new GatewayWorld({ limits: { gapHoldEventsMax: 10 } });
    world.owner.join(ALICE, GENERAL);
    const socket = live(ALICE);
    world.owner.say(GENERAL, BOB, 'lost');
    world.emit();
    world.deliver(true);
    for (let n = 0; n < 30; n += 1) world.owner.say(GENERAL, BOB, `m${n}`);
    world.emit();
    world.deliver();
    expect(of(socket, 'resync')).toEqual([{ type: 'resync', channel: GENERAL, from: 1 }]);
    expect(socket.seqs(GENERAL)).toEqual(Array.from({ length: 30 }, (_, n) => n + 3));
    expect(world.state.heldBytes).toBe(0);
  });

  it('of all streams together is bounded in bytes', () => {
    world = new GatewayWorld({ limits: { gapHoldBytesMax: 1_000 } });
    world.owner.join(ALICE, GENERAL);
    const socket = live(ALICE);
    world.owner.say(GENERAL, BOB, 'lost');
    world.emit();
    world.deliver(true);
    for (let n = 0; n < 10; n += 1) world.owner.say(GENERAL, BOB, 'x'.repeat(200));
    world.emit();
    world.deliver();
    expect(of(socket, 'resync').length).toBeGreaterThan(0);
    expect(world.state.heldBytes).toBeLessThanOrEqual(1_000);
  });

  it('may have hidden a leave: whoever is subscribed has to be admitted again', () => {
    const socket = live(ALICE);
    world.owner.leave(ALICE, GENERAL);
    world.owner.trim(GENERAL, 3);
    world.emit();
    world.deliver(true);
    world.owner.say(GENERAL, BOB, 'secret');
    world.settle();
    expect(of(socket, 'resync')).toHaveLength(1);
    world.owner.say(GENERAL, BOB, 'more');
    world.settle();
    expect(of(socket, 'message')).toEqual([]);
    expect(socket.topics.has(GENERAL)).toBe(false);
  });

  it('after a power loss, when the log ends before what was delivered, is a resync', () => {
    const socket = live(ALICE);
    for (let n = 0; n < 3; n += 1) world.owner.say(GENERAL, BOB, `m${n}`);
    world.settle();
    world.owner.truncate(GENERAL, 3);
    world.takeOver('worker-2');
    world.settle();
    expect(of(socket, 'resync')).toEqual([{ type: 'resync', channel: GENERAL, from: 5 }]);
    world.owner.say(GENERAL, BOB, 'again');
    world.settle();
    expect(socket.seqs(GENERAL)).toEqual([3, 4, 5, 4]);
  });
});

describe('presence', () => {
  it('of those a session asks for: what they are now, then changes', () => {
    world.owner.setPresence(BOB, 'active');
    const socket = live(ALICE);
    world.send(socket, { id: 1, type: 'presence_sub', ids: [BOB, CAROL] });
    world.settle();
    world.owner.setPresence(BOB, 'away');
    world.owner.setPresence(CAROL, 'active');
    world.settle();
    expect(of(socket, 'presence_change')).toEqual([
      { type: 'presence_change', user: BOB, presence: 'active' },
      { type: 'presence_change', user: BOB, presence: 'away' },
      { type: 'presence_change', user: CAROL, presence: 'active' },
    ]);
  });

  it('is watched while anybody asks for it; a new list replaces the old', () => {
    const [alice, bob] = [live(ALICE), live(BOB)];
    for (const socket of [alice, bob]) world.send(socket, { type: 'presence_sub', ids: [CAROL] });
    world.settle();
    world.send(alice, { type: 'presence_sub', ids: [] });
    world.settle();
    expect(world.owner.watched.has(CAROL)).toBe(true);
    world.owner.setPresence(CAROL, 'active');
    world.settle();
    expect([of(alice, 'presence_change').length, of(bob, 'presence_change').length]).toEqual([0, 1]);
    world.hangUp(bob);
    world.settle();
    expect(world.owner.watched.has(CAROL)).toBe(false);
  });

  it('comes in batches for a session that said so', () => {
    const socket = live(ALICE, { batchPresenceAware: true });
    for (const user of [BOB, CAROL]) world.owner.setPresence(user, 'active');
    world.send(socket, { type: 'presence_sub', ids: [BOB, CAROL] });
    world.settle();
    world.pass(200);
    expect(of(socket, 'presence_change')).toEqual([
      { type: 'presence_change', users: [BOB, CAROL], presence: 'active' },
    ]);
  });

  it('can be asked for once; of whom nothing is known, nothing is said', () => {
    world.owner.setPresence(BOB, 'away');
    const socket = live(ALICE);
    world.send(socket, { type: 'presence_query', ids: [BOB, CAROL] });
    world.settle();
    world.owner.setPresence(BOB, 'active');
    world.settle();
    expect(of(socket, 'presence_change')).toEqual([{ type: 'presence_change', user: BOB, presence: 'away' }]);
  });

  it('is followed on a new owner too', () => {
    const socket = live(ALICE);
    world.send(socket, { type: 'presence_sub', ids: [BOB] });
    world.settle();
    world.takeOver('worker-2');
    world.settle();
    world.owner.setPresence(BOB, 'active');
    world.settle();
    expect(of(socket, 'presence_change')).toHaveLength(1);
    expect(world.owner.announced.get(ALICE)).toEqual([1, false]);
  });

  it('of its own users is announced: how many sessions, and whether all are idle', () => {
    const first = live(ALICE);
    live(ALICE);
    expect(world.owner.announced.get(ALICE)).toEqual([2, false]);
    world.hangUp(first);
    world.settle();
    expect(world.owner.announced.get(ALICE)).toEqual([1, false]);
    world.pass(gatewayLimits.presenceIdleMs + gatewayLimits.presenceAnnounceMs + 2_000);
    world.settle();
    expect(world.owner.announced.get(ALICE)).toEqual([1, true]);
  });
});

describe('a drain', () => {
  it('says goodbye to all, closes them one after another, and announces nobody as gone', () => {
    world = new GatewayWorld({ limits: { drainSessionsPerSecondMax: 10 } });
    const sockets = Array.from({ length: 10 }, () => world.open(ALICE));
    world.settle();
    world.apply({ kind: 'drain' });
    const delays = sockets.map((socket) => socket.frames.at(-1)?.['reconnect_delay_ms']);
    expect(delays).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    world.pass(500);
    const open = sockets.filter((socket) => socket.isOpen).length;
    expect(open).toBeGreaterThan(0);
    expect(open).toBeLessThan(10);
    world.pass(600);
    world.settle();
    expect(new Set(sockets.map((socket) => socket.closedWith))).toEqual(new Set([4000]));
    expect(world.owner.announced.get(ALICE)).toEqual([10, false]);
  });
});
