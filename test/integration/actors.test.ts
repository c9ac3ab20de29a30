/** Workers' actors on both brokers: the journey of posts, memberships and subscriptions, without a cluster around. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { slotOf } from '../../cluster/slots.ts';
import { systemClock } from '../../platform/clock.ts';
import type { ChannelId, StreamId, UserId } from '../../protocol/ids.ts';
import {
  ALICE,
  BOB,
  CAROL,
  channelMeta,
  LabClient,
  LabGateway,
  LabWorker,
  mutation,
  post,
  userId,
} from '../support/actor-lab.ts';
import { memoryWorld, natsWorld, type BrokerWorld } from '../support/broker-worlds.ts';
import { until } from '../support/until.ts';

const POSTERS = 50;
const POSTS_EACH = 20;

describe.each([
  ['in memory', memoryWorld],
  ['on NATS', natsWorld],
])('actors %s', (_name, makeWorld) => {
  let world: BrokerWorld;
  let worker: LabWorker;
  let workerBroker: Broker;
  let webapp: LabClient;
  let gateway: LabGateway;
  let channels = 0;

  beforeAll(async () => {
    world = await makeWorld();
    workerBroker = await world.connect('worker-1');
    worker = new LabWorker(workerBroker, 'worker-1', systemClock);
    worker.ownAll();
    webapp = new LabClient(await world.connect('webapp-1', 'webapp'), 'webapp-1');
    gateway = new LabGateway(await world.connect('gateway-1', 'gateway'), 'gateway-1');
    await workerBroker.commands.flush(2_000);
  });
  afterAll(async () => {
    worker.stop();
    await world.close();
  });

  async function openChannel(members: readonly UserId[] = [ALICE, BOB], rest = {}): Promise<ChannelId> {
    const id = `C0ROOM${++channels}` as ChannelId;
    await webapp.ask(id, { kind: 'open', meta: channelMeta(id, rest), members, mutation: mutation(`open-${id}`) });
    return id;
  }

  async function admit(user: UserId, stream: StreamId) {
    const command = { kind: 'admit', gateway: gateway.ref, entries: [[user, stream]] } as const;
    return (await gateway.client.askSlot(stream, command)).admissions[0];
  }

  test('fifty posters at once: every post once, in one order, without a gap, live and in history', async () => {
    const users = Array.from({ length: POSTERS }, (_, i) => userId(i));
    const channel = await openChannel(users);
    const admission = await admit(users[0]!, channel);
    expect(admission).toMatchObject({ admitted: true, seq: 1 });
    const acked = new Map<number, string>();
    await Promise.all(
      users.map(async (user) => {
        for (let i = 0; i < POSTS_EACH; i++) {
          const text = `${user} ${i}`;
          const { seq } = await webapp.ask(channel, post(user, text, `${user}-${i}`));
          acked.set(seq, text);
        }
      }),
    );
    const total = POSTERS * POSTS_EACH;
    const expected = Array.from({ length: total }, (_, i) => i + 2);
    expect([...acked.keys()].sort((a, b) => a - b)).toEqual(expected);
    await until('all events', () => gateway.seqs(channel).length >= total);
    expect(gateway.seqs(channel)).toEqual(expected);
    const frames = gateway.frames(channel);
    expect(frames.map((frame) => frame['text'])).toEqual(expected.map((seq) => acked.get(seq)));
    const stamps = frames.map((frame) => String(frame['ts']));
    expect([...stamps].sort()).toEqual(stamps);
    expect(new Set(stamps).size).toBe(total);
    const history = await readHistory(channel, users[0]!, 300);
    expect(history).toEqual([...expected].reverse().map((seq) => acked.get(seq)));
  });

  async function readHistory(channel: ChannelId, viewer: UserId, limit: number): Promise<string[]> {
    const texts: string[] = [];
    for (let before: number | undefined; ; ) {
      const at = before === undefined ? {} : { before };
      const page = await webapp.ask(channel, { kind: 'history', viewer, limit, inclusive: false, ...at });
      texts.push(...page.messages.map(({ event }) => (event.body.kind === 'message' ? event.body.draft.text : '')));
      expect(page.more).toBe(page.next !== undefined);
      if (page.next === undefined) return texts;
      before = page.next;
    }
  }

  test('a post with an id seen before answers with the first result', async () => {
    const channel = await openChannel();
    const first = await webapp.ask(channel, post(ALICE, 'once', 'same'));
    const again = await webapp.ask(channel, post(ALICE, 'twice', 'same'));
    expect(again).toMatchObject({ ...first, first: { ts: first.ts, body: { draft: { text: 'once' } } } });
    const other = await webapp.ask(channel, post(BOB, 'mine', 'same'));
    expect(other).toEqual({ seq: first.seq + 1, ts: other.ts });
  });

  test('an answered join stands in the user own list of channels; so does an answered leave', async () => {
    const user = userId(900);
    const channel = await openChannel([ALICE]);
    await webapp.ask(channel, { kind: 'join', user, mutation: mutation('j1') });
    const joined = await webapp.ask(user, { kind: 'memberships' });
    expect(joined.channels.map(({ meta }) => meta.id)).toEqual([channel]);
    await webapp.ask(channel, { kind: 'leave', user, mutation: mutation('l1') });
    expect((await webapp.ask(user, { kind: 'memberships' })).channels).toEqual([]);
  });

  test('a private channel and one that does not exist look the same from outside', async () => {
    const id = 'G0SECRET' as ChannelId;
    const meta = channelMeta(id, { kind: 'private', name: 'secret' });
    await webapp.ask(id, { kind: 'open', meta, members: [ALICE], mutation: mutation('o') });
    const nowhere = 'G0NOWHERE' as ChannelId;
    for (const channel of [id, nowhere]) {
      const failures = await Promise.all([
        webapp.refusal(channel, post(CAROL, 'hello', 'x')),
        webapp.refusal(channel, { kind: 'info', viewer: CAROL }),
        webapp.refusal(channel, { kind: 'members', viewer: CAROL, limit: 10 }),
        webapp.refusal(channel, { kind: 'history', viewer: CAROL, limit: 10, inclusive: false }),
        webapp.refusal(channel, { kind: 'join', user: CAROL, mutation: mutation('y') }),
      ]);
      expect(failures).toEqual(failures.map(() => ({ kind: 'rejected', error: 'channel_not_found' })));
      expect(await admit(CAROL, channel)).toMatchObject({
        admitted: false,
        error: 'channel_not_found',
        retryable: false,
      });
    }
  });

  test('a sender at a gateway gets the event entry with its origin, and the answer right behind it', async () => {
    const channel = await openChannel();
    await admit(ALICE, channel);
    const origin = `${gateway.ref.incarnation}.7`;
    const command = { ...post(ALICE, 'by socket', 'rtm-1'), origin } as ReturnType<typeof post>;
    const { seq } = await gateway.client.ask(channel, command);
    const at = gateway.entries.findIndex((e) => e.kind === 'event' && e.stream === channel && e.seq === seq);
    expect(gateway.entries[at]).toMatchObject({ origin });
    expect(gateway.entries[at + 1]).toMatchObject({ kind: 'reply', reply: { ok: true, result: { seq } } });
  });

  test('cursors bring what was missed, then what is live, and say resync for what cannot be', async () => {
    const channel = await openChannel();
    for (let i = 0; i < 5; i++) await webapp.ask(channel, post(ALICE, `text ${i}`, `c-${i}`));
    const entries = [[channel, 3] as const];
    await gateway.client.askSlot(channel, { kind: 'cursors', gateway: gateway.ref, entries });
    await webapp.ask(channel, post(ALICE, 'live', 'c-live'));
    await until('the gap and the live event', () => gateway.seqs(channel).length >= 4);
    expect(gateway.seqs(channel)).toEqual([4, 5, 6, 7]);
    await gateway.client.askSlot(channel, { kind: 'cursors', gateway: gateway.ref, entries: [[channel, 99]] });
    await until('a resync', () =>
      gateway.of('resync').some((e) => e.stream === channel && e.from === 99 && e.tail === 7),
    );
  });

  test('subscribing to cold streams activates nothing', async () => {
    const before = worker.host.actorCount();
    const streams = Array.from({ length: 200 }, (_, i) => userId(5_000 + i));
    await Promise.all(
      streams.map((stream) =>
        gateway.client.askSlot(stream, { kind: 'cursors', gateway: gateway.ref, entries: [[stream, 0]] }),
      ),
    );
    expect(await admit(userId(5_000), userId(5_000))).toMatchObject({ admitted: true, seq: 0 });
    expect(worker.host.actorCount()).toBe(before);
  });

  test('events are read for many streams of a slot at once, each from where it is asked for', async () => {
    const channel = await openChannel();
    for (let i = 0; i < 10; i++) await webapp.ask(channel, post(ALICE, `e ${i}`, `e-${i}`));
    const ask = (entries: readonly (readonly [StreamId, number, number])[]) =>
      webapp.askSlot(channel, { kind: 'events', entries });
    const { found } = await ask([
      [channel, 2, 6],
      [channel, 9, 100],
      [channel, 12, 100],
    ]);
    const seqs = found.map((one) => (one.kind === 'page' ? one.events.map(({ seq }) => seq) : one.kind));
    expect(seqs).toEqual([[3, 4, 5, 6], [10, 11], []]);
    expect(found.map((one) => one.kind === 'page' && one.gone)).toEqual([false, false, true]);
  });

  test('a slot given up and taken again has every post, member and mutation', async () => {
    const channel = await openChannel();
    const slot = slotOf(channel);
    const first = await webapp.ask(channel, post(BOB, 'before', 'move'));
    for (let i = 0; i < 300; i++) await webapp.ask(channel, post(ALICE, `m ${i}`, `m-${i}`));
    await worker.leave(slot);
    worker.own(slot, 2, true);
    const again = await webapp.ask(channel, post(BOB, 'after', 'move'));
    expect(again).toMatchObject({ ...first, first: { body: { draft: { text: 'before' } } } });
    expect(await webapp.ask(channel, post(BOB, 'after', 'move-2'))).toMatchObject({ seq: 303 });
    const { info } = await webapp.ask(channel, { kind: 'info', viewer: ALICE });
    expect(info).toMatchObject({ memberCount: 2, isMember: true, seq: 303 });
    expect(await readHistory(channel, BOB, 200)).toHaveLength(302);
  });
});
