/** Actors over the in-memory broker: what they do when others write to their log, when it does not answer, and when they stop. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AppendAttempt, Broker } from '../../../broker/broker.ts';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { SNAPSHOT_STREAM, subjects } from '../../../broker/subjects.ts';
import { slotOf } from '../../../cluster/slots.ts';
import { systemClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import type { UserId } from '../../../protocol/ids.ts';
import {
  ALICE,
  BOB,
  CAROL,
  channelMeta,
  GENERAL,
  LabClient,
  LabGateway,
  LabWorker,
  mutation,
  post,
  userId,
} from '../../support/actor-lab.ts';
import { until } from '../../support/until.ts';

const SLOT = slotOf(GENERAL);
const USER_SLOTS = [ALICE, BOB, ...Array.from({ length: 300 }, (_, i) => userId(i))].map((user) => slotOf(user));

let hub: MemoryBrokerHub;
let webapp: LabClient;
let workers: LabWorker[];
/** What the next appends to a log answer besides being carried out, or in place of it. */
let faults: ('lose-ack' | 'lose')[];

beforeEach(async () => {
  hub = new MemoryBrokerHub({ clock: systemClock });
  await hub.provision({ partitions: 1, replicas: 1 });
  webapp = new LabClient(hub.connect('webapp'), 'webapp');
  workers = [];
  faults = [];
});
afterEach(() => {
  for (const worker of workers) worker.stop();
});

function startWorker(name: string): LabWorker {
  const worker = new LabWorker(withFaults(hub.connect(name)), name, systemClock);
  workers.push(worker);
  return worker;
}

function withFaults(broker: Broker): Broker {
  const { records } = broker;
  const append = async (...args: Parameters<typeof records.append>): Promise<AppendAttempt> => {
    const fault = args[0].startsWith('belfry.log') ? faults.shift() : undefined;
    if (fault === 'lose') return { kind: 'unknown', reason: 'lost' };
    const attempt = await records.append(...args);
    return fault === 'lose-ack' ? { kind: 'unknown', reason: 'lost ack' } : attempt;
  };
  const { last, at } = records;
  const store = { append, last: last.bind(records), at: at.bind(records) };
  return new Proxy(broker, { get: (target, key) => (key === 'records' ? store : Reflect.get(target, key, target)) });
}

/** The first owner: everything at epoch 1. */
async function startOwner(members: readonly UserId[] = [ALICE, BOB]): Promise<LabWorker> {
  const worker = startWorker('worker-1');
  for (const slot of new Set([SLOT, ...USER_SLOTS])) worker.own(slot);
  await webapp.ask(GENERAL, { kind: 'open', meta: channelMeta(), members, mutation: mutation('open') });
  return worker;
}

function logEnd(): number {
  const read = hub.streams.last(subjects.logStream(1, SLOT), subjects.log(1, SLOT, GENERAL));
  return read.kind === 'found' ? read.record.sequence : 0;
}

describe('two owners at once', () => {
  test('posts of both stand in one order; who comes second decides again and finds what was said already', async () => {
    const stale = await startOwner();
    const gateway = new LabGateway(hub.connect('gateway'), 'gateway');
    await gateway.client.askSlot(GENERAL, { kind: 'admit', gateway: gateway.ref, entries: [[ALICE, GENERAL]] });
    stale.deafen();
    const other = startWorker('worker-2');
    other.own(SLOT);
    await other.direct(GENERAL, post(ALICE, 'theirs', 'shared'));
    await other.direct(GENERAL, post(BOB, 'more', 'b'));
    const [repeat, own] = await Promise.all([
      stale.direct(GENERAL, post(ALICE, 'ours', 'shared')),
      stale.direct(GENERAL, post(ALICE, 'own', 'own')),
    ]);
    expect(repeat).toMatchObject({ ok: true, result: { seq: 2, first: { body: { draft: { text: 'theirs' } } } } });
    expect(own).toMatchObject({ ok: true, result: { seq: 4 } });
    // The stale owner's gateway hears of all of them, in order.
    await until('three events', () => gateway.seqs(GENERAL).length === 3);
    expect(gateway.seqs(GENERAL)).toEqual([2, 3, 4]);
    expect(gateway.frames(GENERAL).map((frame) => frame['text'])).toEqual(['theirs', 'more', 'own']);
  });

  test('a log of a higher epoch fences the slot: nothing of it is answered any more', async () => {
    const stale = await startOwner();
    stale.deafen();
    const other = startWorker('worker-2');
    other.own(SLOT, 2, true);
    expect(await other.direct(GENERAL, post(BOB, 'first', 1))).toMatchObject({ ok: true, result: { seq: 2 } });
    const answer = await stale.direct(GENERAL, post(ALICE, 'late', 2));
    expect(answer).toMatchObject({ ok: false, failure: { kind: 'retryable' } });
    expect(stale.fenced).toEqual([SLOT]);
    const read = await stale.direct(GENERAL, { kind: 'info', viewer: ALICE });
    expect(read).toMatchObject({ ok: false, failure: { kind: 'retryable' } });
  });

  test('taking over with a fence stops the old owner even on a quiet channel', async () => {
    const stale = await startOwner();
    stale.deafen();
    const other = startWorker('worker-2');
    other.own(SLOT, 2, true);
    // Only a read: it must not be answered before the fence stands in the log.
    expect(await other.direct(GENERAL, { kind: 'info', viewer: ALICE })).toMatchObject({ ok: true });
    expect(await stale.direct(GENERAL, post(ALICE, 'late', 2))).toMatchObject({ ok: false });
    expect(stale.fenced).toEqual([SLOT]);
  });

  test('and on one that was never written to, once somebody listens; until then nothing is stored', async () => {
    const slot = slotOf(CAROL);
    const [stale, other] = [startWorker('worker-1'), startWorker('worker-2')];
    stale.own(slot, 1);
    stale.deafen();
    other.own(slot, 2, true);
    const gateway = new LabGateway(hub.connect('gateway'), 'gateway');
    const records = () => hub.streams.last('BELFRY_LOG_0', subjects.log(1, slot, CAROL)).kind;
    expect(await other.direct(CAROL, { kind: 'memberships' })).toMatchObject({ ok: true });
    expect(records()).toBe('absent');
    const admit = { kind: 'admit', gateway: gateway.ref, entries: [[CAROL, CAROL]] } as const;
    const { admissions } = await gateway.client.askSlot(CAROL, admit);
    expect(admissions).toMatchObject([{ admitted: true, seq: 0 }]);
    // The former owner has not heard of it, and would have told its own gateways only.
    const note = { kind: 'note-membership', meta: channelMeta(), channelSeq: 1, member: true } as const;
    expect(await stale.direct(CAROL, note)).toMatchObject({ ok: false });
    expect(stale.fenced).toEqual([slot]);
    expect(await other.direct(CAROL, note)).toMatchObject({ ok: true });
    await until('the first event', () => gateway.seqs(CAROL).length === 1);
  });
});

describe('acknowledgements that do not come', () => {
  test('a lost acknowledgement makes no second post', async () => {
    await startOwner();
    faults = ['lose-ack'];
    const first = await webapp.ask(GENERAL, post(ALICE, 'once', 1));
    expect(first).toEqual({ seq: 2, ts: first.ts });
    expect(await webapp.ask(GENERAL, post(ALICE, 'next', 2))).toMatchObject({ seq: 3 });
  });

  test('a repeat waits for the append in flight and gets its result', async () => {
    const worker = await startOwner();
    faults = ['lose', 'lose'];
    const answers = await Promise.all([1, 2, 3].map(() => worker.direct(GENERAL, post(ALICE, 'once', 1))));
    const seqs = answers.map((answer) => (answer.ok ? answer.result.seq : 0));
    expect(seqs).toEqual([2, 2, 2]);
    expect(await webapp.ask(GENERAL, post(ALICE, 'next', 2))).toMatchObject({ seq: 3 });
  });

  test('reads do not see what is not committed', async () => {
    const worker = await startOwner();
    faults = ['lose'];
    const order: string[] = [];
    const writing = worker.direct(GENERAL, post(ALICE, 'x', 1)).then(() => order.push('post'));
    const reading = worker.direct(GENERAL, { kind: 'info', viewer: ALICE }).then((answer) => {
      order.push(`info at ${answer.ok ? answer.result.info.seq : 'none'}`);
    });
    await Promise.all([writing, reading]);
    expect(order).toEqual(['post', 'info at 2']);
  });
});

describe('life of an actor', () => {
  test('a channel that does not exist leaves no actor behind', async () => {
    const worker = startWorker('worker-1');
    worker.own(SLOT);
    expect(await webapp.refusal(GENERAL, post(ALICE, 'x', 1))).toEqual({
      kind: 'rejected',
      error: 'channel_not_found',
    });
    await until('no actor', () => worker.host.actorCount() === 0);
  });

  test('a slot given up answers what is in flight, and appends nothing afterwards', async () => {
    const worker = await startOwner();
    faults = ['lose'];
    const answer = worker.direct(GENERAL, post(ALICE, 'x', 1));
    worker.host.abandon(SLOT, 'evicted');
    expect(await answer).toMatchObject({ ok: false, failure: { kind: 'unknown' } });
    const stored = logEnd();
    expect(await worker.direct(GENERAL, post(ALICE, 'y', 2))).toMatchObject({ ok: false });
    expect(logEnd()).toBe(stored);
  });

  test('a planned close answers everything that was delivered before', async () => {
    const worker = await startOwner();
    const answers = Array.from({ length: 50 }, (_, i) => worker.direct(GENERAL, post(ALICE, `t${i}`, i)));
    await worker.leave(SLOT);
    for (const answer of await Promise.all(answers)) expect(answer.ok).toBe(true);
  });

  test('while not serving nothing is appended, and what was known is not lost', async () => {
    const worker = await startOwner();
    worker.host.setServing(false);
    expect(await worker.direct(GENERAL, post(ALICE, 'x', 1))).toMatchObject({
      ok: false,
      failure: { kind: 'retryable' },
    });
    worker.host.setServing(true);
    expect(await worker.direct(GENERAL, post(ALICE, 'x', 1))).toMatchObject({ ok: true, result: { seq: 2 } });
  });

  test('a full mailbox refuses at once, as retryable, and serves again afterwards', async () => {
    const worker = await startOwner();
    faults = ['lose'];
    const count = limits.mailboxMessagesMax + 50;
    const answers = await Promise.all(
      Array.from({ length: count }, (_, i) => worker.direct(GENERAL, post(ALICE, 'x', i))),
    );
    const refused = answers.filter((answer) => !answer.ok);
    expect(refused.length).toBeGreaterThan(0);
    for (const answer of refused) expect(answer).toMatchObject({ failure: { kind: 'retryable', reason: 'busy' } });
    expect(await worker.direct(GENERAL, post(ALICE, 'x', 'after'))).toMatchObject({ ok: true });
  });

  test('a malformed command is dropped and harms nobody', async () => {
    const worker = await startOwner();
    worker.host.deliver(SLOT, Buffer.from('garbage'), undefined);
    worker.host.deliver(SLOT, Buffer.alloc(0), 'belfry.rep.x.1');
    expect(await worker.direct(GENERAL, post(ALICE, 'x', 1))).toMatchObject({ ok: true });
  });
});

describe('members', () => {
  test('three hundred invited at once are members, are told, and survive a move in their order', async () => {
    const worker = await startOwner([ALICE]);
    const users = Array.from({ length: 300 }, (_, i) => userId(i));
    const invite = { kind: 'invite', by: ALICE, users, force: false, mutation: mutation('inv') } as const;
    const { info } = await webapp.ask(GENERAL, invite);
    expect(info).toMatchObject({ memberCount: 301, seq: 301 });
    const told = await webapp.ask(users[299]!, { kind: 'memberships' });
    expect(told.channels.map(({ meta }) => meta.id)).toEqual([GENERAL]);
    await until(
      'a snapshot',
      () => hub.streams.last(SNAPSHOT_STREAM, subjects.snapshot(SLOT, GENERAL, 'head')).kind === 'found',
    );
    await worker.leave(SLOT);
    worker.own(SLOT, 2);
    const seen: UserId[] = [];
    for (let more = true; more; ) {
      const after = seen.at(-1);
      const page = await webapp.ask(GENERAL, { kind: 'members', viewer: ALICE, limit: 100, ...(after && { after }) });
      seen.push(...page.members);
      ({ more } = page);
    }
    expect(seen).toEqual([...users, ALICE].sort());
    expect(await webapp.ask(GENERAL, invite)).toMatchObject({ info: { memberCount: 301 } });
  });

  test('who cannot be told now is told later', async () => {
    const worker = await startOwner([ALICE]);
    const user = userId(7);
    worker.host.abandon(slotOf(user), 'moved');
    const before = logEnd();
    const joining = worker.direct(GENERAL, { kind: 'join', user, mutation: mutation('j') });
    await until('the join in the log', () => logEnd() > before);
    worker.own(slotOf(user), 2);
    expect(await joining).toMatchObject({ ok: true });
    expect((await webapp.ask(user, { kind: 'memberships' })).channels).toHaveLength(1);
  });

  test('who was not told when the owner died is told by the next one, once the channel is asked for anything', async () => {
    const worker = await startOwner([ALICE]);
    const user = userId(7);
    worker.host.abandon(slotOf(user), 'moved');
    const before = logEnd();
    void worker.direct(GENERAL, { kind: 'join', user, mutation: mutation('j') });
    await until('the join in the log', () => logEnd() > before);
    worker.host.abandon(SLOT, 'died');
    worker.own(slotOf(user), 2);
    worker.own(SLOT, 2, true);
    expect((await webapp.ask(user, { kind: 'memberships' })).channels).toEqual([]);
    await webapp.ask(GENERAL, { kind: 'info', viewer: ALICE });
    await until('the note', async () => (await webapp.ask(user, { kind: 'memberships' })).channels.length === 1);
  });

  test.each([
    ['is given up', async (worker: LabWorker) => worker.host.abandon(SLOT, 'evicted')],
    ['is handed over', async (worker: LabWorker) => worker.leave(SLOT)],
  ])('whoever asked for a change asks again when its slot %s: answered, it has been told', async (_how, lose) => {
    const worker = await startOwner([ALICE]);
    const user = userId(7);
    worker.host.abandon(slotOf(user), 'moved');
    const before = logEnd();
    const joining = webapp.ask(GENERAL, { kind: 'join', user, mutation: mutation('j') });
    await until('the join in the log', () => logEnd() > before);
    await lose(worker);
    worker.own(slotOf(user), 2);
    worker.own(SLOT, 2, true);
    await joining;
    expect((await webapp.ask(user, { kind: 'memberships' })).channels).toHaveLength(1);
  });
});

test('typing reaches subscribed gateways once per while, from members only', async () => {
  await startOwner();
  const gateway = new LabGateway(hub.connect('gateway'), 'gateway');
  await gateway.client.askSlot(GENERAL, { kind: 'admit', gateway: gateway.ref, entries: [[ALICE, GENERAL]] });
  for (let i = 0; i < 5; i++) await gateway.client.ask(GENERAL, { kind: 'typing', user: BOB });
  await gateway.client.router.toStream(GENERAL, { kind: 'typing', user: userId(1) });
  const typing = gateway.of('transient').map((entry) => JSON.parse(Buffer.from(entry.frame).toString()) as unknown);
  expect(typing).toEqual([{ type: 'user_typing', channel: GENERAL, user: BOB }]);
});
