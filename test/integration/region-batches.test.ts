/**
 * One channel on several real gateways of one region, over a real nats-server: from three of them on their events come in
 * the region's batches, below in each one's own. Whoever listens must not be able to tell.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broker, Messaging } from '../../broker/broker.ts';
import { SLOTS, subjects } from '../../broker/subjects.ts';
import { CommandRouter } from '../../cluster/command-router.ts';
import { systemClock } from '../../platform/clock.ts';
import { silentLogger } from '../../platform/logger.ts';
import { createMetrics } from '../../platform/metrics.ts';
import type { GatewayRef } from '../../protocol/commands.ts';
import type { ChannelId, Incarnation, UserId } from '../../protocol/ids.ts';
import { makeTicket } from '../../protocol/tickets.ts';
import { startGateway, type Gateway } from '../../transport/gateway-server.ts';
import { ALICE, channelMeta, LabClient, LabWorker, mutation, post, TEAM, userId } from '../support/actor-lab.ts';
import { natsWorld, type BrokerWorld } from '../support/broker-worlds.ts';
import { RtmSocket } from '../support/rtm-socket.ts';
import { until } from '../support/until.ts';

const SECRET = 'c2VjcmV0';
const REGION = 'eu';
const allSlots = Array.from({ length: SLOTS }, (_, slot) => slot);

/** A gateway with one session. */
class Place {
  readonly ref: GatewayRef;
  readonly gateway: Gateway;
  readonly socket: RtmSocket;
  readonly router: CommandRouter;

  constructor(ref: GatewayRef, gateway: Gateway, router: CommandRouter, socket: RtmSocket) {
    this.ref = ref;
    this.gateway = gateway;
    this.router = router;
    this.socket = socket;
  }

  seqs(channel: ChannelId): unknown[] {
    return this.socket.messages(channel).map((frame) => frame['seq']);
  }

  stop(): void {
    this.socket.cut();
    this.gateway.stop();
    this.router.close();
  }
}

describe('a channel of many gateways of a region', () => {
  let world: BrokerWorld;
  let worker: LabWorker;
  let webapp: LabClient;
  let regionBatches = 0;
  let losing = false;
  let places: Place[] = [];
  const members: readonly UserId[] = [ALICE, ...Array.from({ length: 8 }, (_, at) => userId(at + 1))];

  beforeAll(async () => {
    world = await natsWorld();
    const broker = await world.connect('worker-1');
    worker = new LabWorker(broker, 'worker-1', systemClock, { regionBatchGatewaysCount: 3 });
    worker.ownAll();
    await broker.commands.flush(2_000);
    webapp = new LabClient(await world.connect('webapp-1', 'webapp'), 'webapp-1');
    const observer = await world.connect('gateway-0', 'gateway');
    observer.commands.subscribe(subjects.regionBatch(REGION), () => (regionBatches += 1));
    await observer.commands.flush(2_000);
  });
  afterAll(async () => {
    for (const place of places) place.stop();
    worker.stop();
    await world.close();
  });

  async function open(at: number): Promise<Place> {
    const ref = { region: REGION, incarnation: `gateway-${at}-LIFE` as Incarnation };
    const broker = await world.connect(ref.incarnation, 'gateway');
    const self = ref.incarnation;
    const sender = new CommandRouter({
      ...{ lane: broker.commands, self, clock: systemClock, logger: silentLogger, via: ref },
    });
    const gateway = await startGateway({
      broker: { control: broker.control, commands: losingRegion(broker) },
      node: { table: () => ({ slotsOf: () => allSlots }), onSlotsServed: () => undefined },
      ...{ sender, ref, ticketSecret: SECRET, host: '127.0.0.1', port: 0, clock: systemClock, logger: silentLogger },
      metrics: createMetrics({ role: 'gateway', id: self, processMetrics: false }),
      isRevoked: () => Promise.resolve(false),
    });
    const ticket = makeTicket(SECRET, {
      ...{ gateway: self, user: members[at] as UserId, team: TEAM, name: 'someone', tokenHash: 'a'.repeat(64) },
      ...{ unlimited: true, resume: false, batchPresenceAware: false, nonce: `n${at}` },
      expiresAtMs: systemClock.monotonicMs() + 30_000,
    });
    const socket = new RtmSocket(`ws://127.0.0.1:${gateway.port}/websocket/${ticket}`);
    await socket.frame((frame) => frame.type === 'hello');
    const place = new Place(ref, gateway, sender, socket);
    places.push(place);
    tellAlive();
    return place;
  }

  /** As a network that loses the region's batches to every gateway, while `losing`. */
  function losingRegion({ commands }: Broker): Messaging {
    const subscribe: Messaging['subscribe'] = (subject, handler, options) =>
      commands.subscribe(
        subject,
        (message) => (losing && subject === subjects.regionBatch(REGION) ? undefined : handler(message)),
        options,
      );
    return {
      subscribe,
      publish: (subject, data, reply) => commands.publish(subject, data, reply),
      flush: (timeoutMs) => commands.flush(timeoutMs),
      request: (subject, data, timeoutMs) => commands.request(subject, data, timeoutMs),
      status: () => commands.status(),
      onStatus: (listener) => commands.onStatus(listener),
      connection: () => commands.connection(),
    };
  }

  function end(place: Place): void {
    place.stop();
    places = places.filter((other) => other !== place);
    worker.host.gatewayGone(place.ref.incarnation);
    tellAlive();
  }

  function tellAlive(): void {
    worker.host.gatewaysAlive(new Map(places.map(({ ref }) => [ref.incarnation, ref.region])));
  }

  async function channel(id: string): Promise<ChannelId> {
    const room = id as ChannelId;
    await webapp.ask(room, { kind: 'open', meta: channelMeta(room), members, mutation: mutation(`open-${id}`) });
    return room;
  }

  it('gives each session every message once, in order, while gateways come and go and the way changes', async () => {
    const room = await channel('C0COMEGO');
    const first = await open(0);
    const [, , third] = [first, await open(1), await open(2)];
    let posted = 0;
    const say = async (count: number): Promise<void> => {
      const texts = Array.from({ length: count }, () => (posted += 1));
      await Promise.all(texts.map((n) => webapp.ask(room, post(ALICE, `t${n}`, `${room}-${n}`))));
    };
    const before = regionBatches;
    const talk = (async () => {
      for (let round = 0; round < 40; round += 1) await say(5);
    })();
    end(third as Place);
    const fourth = await open(3);
    end(fourth);
    await open(4);
    await talk;
    await say(1);
    await until('everybody has the last message', () =>
      places.every((place) => place.seqs(room).at(-1) === posted + 1),
    );
    expect(first.seqs(room)).toEqual(Array.from({ length: posted }, (_, at) => at + 2));
    for (const place of places) {
      const seqs = place.seqs(room) as number[];
      expect(seqs).toEqual(seqs.map((_, at) => (seqs[0] ?? 0) + at));
    }
    expect(regionBatches).toBeGreaterThan(before);
  });

  it('finds out that the last batch was lost, when nothing follows', async () => {
    while (places.length < 3) await open(5 + places.length);
    const room = await channel('C0SILENT');
    await webapp.ask(room, post(ALICE, 'heard', 'heard'));
    await until('everybody heard the first', () => places.every((place) => place.seqs(room).length === 1));
    const before = regionBatches;
    losing = true;
    await webapp.ask(room, post(ALICE, 'lost', 'lost'));
    await until('the batch went by', () => regionBatches > before);
    losing = false;
    await until('everybody has it', () => places.every((place) => place.seqs(room).length === 2));
    for (const place of places) expect(place.seqs(room)).toEqual([2, 3]);
  });
});
