/**
 * G4, G5 and G10 at the gateway, for any interleaving: sessions come, go and resume; users join, leave and post; batches
 * and commands are lost, late or answered out of order; owners change. When all has settled, every client stands at the
 * tail of what it may see, having got each event once, in order.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRng } from '../../../platform/rng.ts';
import { eventFrameBytes } from '../../../protocol/frames.ts';
import type { ChannelId, StreamId, UserId } from '../../../protocol/ids.ts';
import { CheckingClient } from '../../support/gateway-client.ts';
import { GatewayWorld } from '../../support/gateway-world.ts';
import { TEAM } from '../../support/scripted-owner.ts';

const USERS = ['U0ALICE', 'U0BOBBY', 'U0CAROL'] as UserId[];
const CHANNELS = ['C0GENERAL', 'C0RANDOM', 'G0SECRET'] as ChannelId[];
const STEPS = 400;

interface Chaos {
  /** Of 100 batches, commands. */
  readonly lostBatches: number;
  readonly lostCommands: number;
  readonly takeOvers: boolean;
  /** Of 100 batches. */
  readonly regionBatches: number;
}

class Story {
  // Nothing is given up for being late: in this world a command may take minutes.
  readonly world = new GatewayWorld({ limits: { earlyAckMs: 1e9 } });
  readonly clients: CheckingClient[];
  readonly #rng: SeededRng;
  readonly #chaos: Chaos;
  #workers = 1;

  constructor(seed: number, chaos: Chaos) {
    this.#rng = new SeededRng(seed);
    this.#chaos = chaos;
    this.clients = USERS.flatMap((user) =>
      [true, false].map((resumes) => new CheckingClient(this.world, user, resumes)),
    );
    for (const user of USERS) this.world.owner.join(user, CHANNELS[0]!);
    this.world.owner.say(CHANNELS[0]!, USERS[0]!, 'first');
  }

  run(): string[] {
    for (let step = 0; step < STEPS; step += 1) this.#step();
    return this.#end();
  }

  #step(): void {
    const { world } = this;
    const user = this.#pick(USERS);
    const channel = this.#pick(CHANNELS);
    switch (this.#rng.int(16)) {
      case 0:
        return this.#pick(this.clients).connect();
      case 1:
        return this.#rng.int(3) === 0 ? this.#pick(this.clients).disconnect() : undefined;
      case 2:
        return world.owner.join(user, channel);
      case 3:
        return this.#rng.int(2) === 0 ? world.owner.leave(user, channel) : undefined;
      case 4:
      case 5:
        return void world.owner.say(channel, user, 'web');
      case 6:
        return void world.owner.append(TEAM, { kind: 'notice', frame: { type: 'x' } }, user, `n${this.#rng.int(1e9)}`);
      case 7:
        return this.#pick(this.clients).post(channel, 'rtm');
      case 8:
        return world.emit(this.#rng.int(100) < this.#chaos.regionBatches);
      case 9:
        return world.deliver(this.#rng.int(100) < this.#chaos.lostBatches);
      case 10:
      case 11:
        return world.carry(this.#rng.int(100) < this.#chaos.lostCommands);
      case 12:
      case 13:
        return world.answer(this.#rng.int(Math.max(1, world.answers.length)));
      case 14:
        world.flush();
        return world.pass(this.#rng.int(4) * 100);
      default:
        if (this.#chaos.takeOvers && this.#rng.int(20) === 0) world.takeOver(`worker-${++this.#workers}`);
        return this.#pick(this.clients).look();
    }
  }

  #end(): string[] {
    for (const client of this.clients) client.connect();
    for (let round = 0; round < 4; round += 1) {
      this.world.settle();
      for (const client of this.clients) client.look();
      this.world.beat();
      this.world.settle();
      this.world.pass(1_100);
    }
    this.world.settle();
    for (const client of this.clients) {
      client.look();
      client.checkTails();
    }
    return this.clients.flatMap((client) => client.problems);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#rng.int(from.length)]!;
  }
}

function check(chaos: Omit<Chaos, 'regionBatches'>, regionBatches = 0): void {
  const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(seeds, (seed) => {
      expect(new Story(seed, { ...chaos, regionBatches }).run()).toEqual([]);
    }),
    { numRuns: 50 },
  );
}

describe('every client gets each event of its streams once, in order', () => {
  it('over a network that loses nothing', () => check({ lostBatches: 0, lostCommands: 0, takeOvers: false }));
  it('when batches are lost', () => check({ lostBatches: 30, lostCommands: 0, takeOvers: false }));
  it('when commands fail', () => check({ lostBatches: 0, lostCommands: 20, takeOvers: false }));
  it('when owners change as well', () => check({ lostBatches: 20, lostCommands: 10, takeOvers: true }));
  it.each([50, 100])('when %i of 100 batches are for the whole region', (share) => {
    check({ lostBatches: 0, lostCommands: 0, takeOvers: false }, share);
    check({ lostBatches: 30, lostCommands: 10, takeOvers: true }, share);
  });
});

describe('the story', () => {
  it('is one: posts are acknowledged, replays happen, gaps are filled', () => {
    const story = new Story(7, { lostBatches: 20, lostCommands: 5, takeOvers: true, regionBatches: 30 });
    expect(story.run()).toEqual([]);
    expect(story.clients.flatMap((client) => client.acked).length).toBeGreaterThan(0);
    const { counts } = story.world.state;
    expect(counts.gaps).toBeGreaterThan(0);
    expect(counts.events).toBeGreaterThan(50);
    expect(story.world.owner.tail(CHANNELS[0]! as StreamId)).toBeGreaterThan(10);
  });
});

describe('what comes of a stream by its region before the gateway is admitted to it', () => {
  it('is held within the bound for all held events, and what was dropped is asked for', () => {
    const [alice, general] = [USERS[0]!, CHANNELS[0]!];
    const gapHoldBytesMax = 2_000;
    const world = new GatewayWorld({ limits: { gapHoldBytesMax } });
    world.owner.join(alice, general);
    const socket = world.open(alice);
    while (world.state.streams.get(general) === undefined) {
      world.flush();
      world.carry();
      world.answer();
    }
    const said = Array.from({ length: 50 }, () => world.owner.say(general, alice, 'x'));
    const entries = said.map(({ seq, event }) => {
      return { kind: 'event', stream: general, seq, frame: eventFrameBytes(general, seq, event, TEAM) } as const;
    });
    world.apply({ kind: 'region-batch', worker: world.owner.worker, number: 1, entries });
    const frameBytes = entries[0]!.frame.length;
    expect(world.state.heldBytes).toBeGreaterThan(gapHoldBytesMax / 2);
    expect(world.state.heldBytes).toBeLessThanOrEqual(gapHoldBytesMax + frameBytes);
    world.settle();
    world.owner.say(general, alice, 'live');
    world.settle();
    expect(socket.frames.at(-1)).toMatchObject({ text: 'live' });
    expect(world.state).toMatchObject({ heldBytes: 0, counts: { resyncs: 0 } });
  });
});
