import { describe, expect, it } from 'vitest';
import type { BrokerMessage, LaneStatus, Messaging } from '../../../broker/broker.ts';
import { CommandRouter } from '../../../cluster/command-router.ts';
import { slotOf } from '../../../cluster/slots.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { silentLogger } from '../../../platform/logger.ts';
import type { Reply } from '../../../protocol/commands.ts';
import { decodeBundle, decodeEnvelope, encodeReplies } from '../../../protocol/envelopes.ts';
import { rejected, retryable, unknownFate } from '../../../protocol/errors.ts';
import type { Incarnation, StreamId, UserId } from '../../../protocol/ids.ts';

const SELF = 'web-1' as Incarnation;
const CHANNEL = 'C0000000001' as StreamId;
const INFO = { kind: 'info', viewer: 'U0000000001' as UserId } as const;

/** A lane whose other end is the test. */
class FakeLane implements Messaging {
  readonly sent: { subject: string; requestId: number; reply: string; atMs: number }[] = [];
  #receive: (message: BrokerMessage) => void = () => {};
  #listener: (status: LaneStatus) => void = () => {};
  readonly #clock: ManualClock;
  constructor(clock: ManualClock) {
    this.#clock = clock;
  }
  publish(subject: string, data: Uint8Array, reply?: string): void {
    const bySlot = /^belfry\.cmd\.\d+$/.test(subject);
    const ids = bySlot ? [decodeEnvelope(data).requestId] : decodeBundle(data).map(({ id }) => id);
    for (const requestId of ids) {
      this.sent.push({ subject, requestId, reply: reply!, atMs: this.#clock.monotonicMs() });
    }
  }
  subscribe(_subject: string, handler: (message: BrokerMessage) => void) {
    this.#receive = handler;
    return { unsubscribe: () => {}, drain: async () => {} };
  }
  answer(...replies: Reply[]): void {
    this.#receive({ subject: '', data: encodeReplies(replies), reply: undefined, noResponders: false });
  }
  nobody(requestId: number): void {
    const subject = `belfry.rep.${SELF}.${requestId}`;
    this.#receive({ subject, data: new Uint8Array(0), reply: undefined, noResponders: true });
  }
  garbage(): void {
    this.#receive({ subject: '', data: new Uint8Array([0xc1]), reply: undefined, noResponders: false });
  }
  become(status: LaneStatus): void {
    this.#listener(status);
  }
  async flush() {
    return true;
  }
  async request() {
    return { kind: 'timeout' } as const;
  }
  status(): LaneStatus {
    return 'connected';
  }
  onStatus(listener: (status: LaneStatus) => void) {
    this.#listener = listener;
    return () => {};
  }
  connection() {
    return undefined;
  }
}

function setUp() {
  const clock = new ManualClock();
  const lane = new FakeLane(clock);
  const tookMs: number[] = [];
  const routeTimer = { observe: (durationMs: number) => void tookMs.push(durationMs) };
  const router = new CommandRouter({ lane, self: SELF, clock, logger: silentLogger, routeTimer });
  return { clock, lane, router, tookMs };
}

describe('the command router', () => {
  it('sends again at once what a former owner took with it, when its slots are served by another', async () => {
    const { clock, lane, router } = setUp();
    const silent = router.toStream(CHANNEL, INFO);
    const elsewhere = router.toSlot(slotOf(CHANNEL) + 1, {
      kind: 'forget',
      gateway: { region: 'local', incarnation: SELF },
      streams: [],
    });
    clock.advance(50);
    router.slotsServed([slotOf(CHANNEL)]);
    clock.advance(2 * limits.commandSweepMs);
    expect(lane.sent.map(({ requestId }) => requestId)).toEqual([1, 2, 1]);
    // It does not wait again as long as it had come to before.
    lane.nobody(1);
    clock.advance(3 * limits.commandSweepMs);
    expect(lane.sent.map(({ requestId }) => requestId)).toEqual([1, 2, 1, 1]);
    lane.answer({ requestId: 1, ok: true, result: {} });
    expect((await silent).ok).toBe(true);
    router.close();
    expect((await elsewhere).ok).toBe(false);
  });

  it('sends to the slot of the stream and gives back what the owner answers', async () => {
    const { lane, router } = setUp();
    const outcome = router.toStream(CHANNEL, INFO);
    expect(lane.sent[0]).toMatchObject({ subject: `belfry.cmd.${slotOf(CHANNEL)}`, reply: `belfry.rep.${SELF}.1` });
    lane.answer({ requestId: 1, ok: true, result: { info: 'x' } });
    expect(await outcome).toEqual({ ok: true, result: { info: 'x' } });
    expect(router.inFlight).toBe(0);
  });

  it('measures each command once, from when it was given to its outcome, attempts that failed included', async () => {
    const { clock, lane, router, tookMs } = setUp();
    const outcome = router.toStream(CHANNEL, INFO);
    clock.advance(5);
    lane.nobody(1);
    clock.advance(2 * limits.commandSweepMs + limits.commandBackoffFirstMs);
    lane.answer({ requestId: 1, ok: true, result: {} });
    await outcome;
    expect(tookMs).toEqual([clock.monotonicMs()]);
    void router.toStream(CHANNEL, INFO);
    router.close();
    expect(tookMs).toHaveLength(2);
  });

  it('backs off 10, 20, 40, 80, 80 ms while nobody owns the slot, always with the same id', async () => {
    const { clock, lane, router } = setUp();
    const outcome = router.toStream(CHANNEL, INFO);
    for (let i = 0; i < 6; i++) {
      lane.nobody(1);
      while (lane.sent.length === i + 1) clock.advance(1);
    }
    const waits = lane.sent.slice(1).map(({ atMs }, i) => atMs - lane.sent[i]!.atMs);
    expect(new Set(lane.sent.map(({ requestId }) => requestId))).toEqual(new Set([1]));
    for (const [i, wait] of [10, 20, 40, 80, 80, 80].entries()) {
      expect(waits[i]).toBeGreaterThanOrEqual(wait);
      expect(waits[i]).toBeLessThanOrEqual(wait + limits.commandSweepMs);
    }
    lane.answer({ requestId: 1, ok: true, result: {} });
    expect((await outcome).ok).toBe(true);
  });

  it('sends again after 200 ms of silence, and takes the first answer of several', async () => {
    const { clock, lane, router } = setUp();
    const outcome = router.toStream(CHANNEL, INFO);
    clock.advance(199);
    expect(lane.sent).toHaveLength(1);
    clock.advance(2 * limits.commandSweepMs);
    expect(lane.sent).toHaveLength(2);
    lane.answer({ requestId: 1, ok: true, result: 'first' });
    lane.answer({ requestId: 1, ok: true, result: 'second' });
    expect(await outcome).toEqual({ ok: true, result: 'first' });
  });

  it('fails as retryable when every attempt surely had no effect', async () => {
    const { clock, lane, router } = setUp();
    const outcome = router.toStream(CHANNEL, INFO, { deadlineMs: 300 });
    lane.nobody(1);
    for (let t = 0; t < 500; t += 5) {
      const before = lane.sent.length;
      clock.advance(5);
      if (lane.sent.length > before) lane.nobody(1);
    }
    expect(await outcome).toEqual({ ok: false, failure: retryable('no_owner') });
  });

  it('fails as unknown when one attempt met silence, whatever the others met', async () => {
    const { clock, lane, router } = setUp();
    const outcome = router.toStream(CHANNEL, INFO, { deadlineMs: 500 });
    clock.advance(230);
    expect(lane.sent).toHaveLength(2);
    lane.nobody(1);
    for (let t = 0; t < 600; t += 5) {
      const before = lane.sent.length;
      clock.advance(5);
      if (lane.sent.length > before) lane.nobody(1);
    }
    expect(await outcome).toEqual({ ok: false, failure: unknownFate('no_owner') });
  });

  it('asks again after an unknown outcome, with the same id, since the mutation finds its first result', async () => {
    const { clock, lane, router } = setUp();
    const outcome = router.toStream(CHANNEL, INFO);
    lane.answer({ requestId: 1, ok: false, failure: unknownFate('append') });
    clock.advance(30);
    expect(lane.sent).toHaveLength(2);
    lane.answer({ requestId: 1, ok: true, result: {} });
    expect((await outcome).ok).toBe(true);
  });

  it('hands a rejection on at once', async () => {
    const { lane, router } = setUp();
    const outcome = router.toStream(CHANNEL, INFO);
    lane.answer({ requestId: 1, ok: false, failure: rejected('not_in_channel') });
    expect(await outcome).toEqual({ ok: false, failure: rejected('not_in_channel') });
  });

  it('publishes nothing while disconnected, and fails as retryable if that lasts', async () => {
    const { clock, lane, router } = setUp();
    lane.become('disconnected');
    const outcome = router.toStream(CHANNEL, INFO, { deadlineMs: 400 });
    const later = router.toStream(CHANNEL, INFO);
    clock.advance(500);
    expect(lane.sent).toHaveLength(0);
    expect(await outcome).toEqual({ ok: false, failure: retryable('disconnected') });
    lane.become('connected');
    clock.advance(100);
    lane.answer({ requestId: 2, ok: true, result: {} });
    expect((await later).ok).toBe(true);
  });

  it('takes replies that came in a batch, and names the gateway in its envelopes', async () => {
    const clock = new ManualClock();
    const lane = new FakeLane(clock);
    const via = { region: 'eu', incarnation: SELF };
    const router = new CommandRouter({ lane, self: SELF, clock, logger: silentLogger, via });
    const outcome = router.toSlot(7, { kind: 'admit', gateway: via, entries: [] });
    expect(lane.sent[0]!.subject).toBe('belfry.cmd.7');
    router.resolve({ requestId: 1, ok: true, result: { admissions: [] } });
    router.resolve({ requestId: 1, ok: true, result: { admissions: [] } });
    expect(await outcome).toEqual({ ok: true, result: { admissions: [] } });
  });

  it('counts an answer about a slot only from its owner, under the epoch of its row or a later one', async () => {
    const clock = new ManualClock();
    const lane = new FakeLane(clock);
    const via = { region: 'eu', incarnation: SELF };
    const owner = 'w1-A' as Incarnation;
    const rowOf = () => ({ owner, epoch: 7 });
    const router = new CommandRouter({ lane, self: SELF, clock, logger: silentLogger, via, rowOf });
    const outcome = router.toSlot(7, { kind: 'cursors', gateway: via, entries: [] });
    const answer = { requestId: 1, ok: true, result: {} } as const;
    const attempts = () => lane.sent.length;
    router.resolve({ ...answer, epoch: 7 }, 'w2-B' as Incarnation);
    clock.advance(100);
    expect(attempts()).toBe(2);
    // It owned the slot before, lost it and got it back: what it registered under its former epoch is forgotten.
    router.resolve({ ...answer, epoch: 5 }, owner);
    clock.advance(100);
    expect(attempts()).toBe(3);
    router.resolve({ ...answer, epoch: 7 }, owner);
    expect((await outcome).ok).toBe(true);
    clock.advance(1_000);
    expect(attempts()).toBe(3);
  });

  it('refuses more than it may hold, what is too large, and garbage', async () => {
    const { lane, router } = setUp();
    lane.garbage();
    const waiting = Array.from({ length: limits.commandsInFlightMax }, () => router.toStream(CHANNEL, INFO));
    expect(await router.toStream(CHANNEL, INFO)).toEqual({ ok: false, failure: retryable('overloaded') });
    router.close();
    expect((await waiting[0]!).ok).toBe(false);
    const huge = { ...INFO, padding: 'x'.repeat(600_000) };
    const other = setUp();
    expect(await other.router.toStream(CHANNEL, huge)).toEqual({ ok: false, failure: rejected('invalid_arguments') });
    expect(lane.sent.length).toBe(limits.commandsInFlightMax);
  });

  it('keeps no timer while nothing waits', async () => {
    const { clock, lane, router } = setUp();
    const outcome = router.toStream(CHANNEL, INFO);
    lane.answer({ requestId: 1, ok: true, result: {} });
    await outcome;
    clock.advance(1_000);
    expect(clock.pendingCount).toBe(0);
  });
});

describe('the command router, to owners that it knows', () => {
  const [ANNE, BEN] = ['anne-1' as Incarnation, 'ben-1' as Incarnation];
  const query = { kind: 'query-presence', users: [] } as const;

  function setUpOwners() {
    const clock = new ManualClock();
    const lane = new FakeLane(clock);
    const owners = new Map([ANNE, BEN].flatMap((owner, i) => [1, 2, 3].map((slot) => [10 * i + slot, owner] as const)));
    const ownerOf = (slot: number) => owners.get(slot);
    const router = new CommandRouter({ lane, self: SELF, clock, logger: silentLogger, ownerOf });
    const send = (...slots: number[]) => slots.map((slot) => router.toSlot(slot, query));
    const sent = () => lane.sent.splice(0).map(({ subject, requestId }) => [subject.slice(11), requestId]);
    return { clock, lane, owners, router, send, sent };
  }

  it('sends one message to each for what one turn has for several of its slots', async () => {
    const { clock, lane, send, sent } = setUpOwners();
    const outcomes = send(1, 12, 2, 11, 3);
    expect(lane.sent).toHaveLength(0);
    clock.advance(0);
    expect(new Set(lane.sent.map(({ reply }) => reply)).size).toBe(2);
    expect(sent()).toEqual([
      [ANNE, 1],
      [ANNE, 3],
      [ANNE, 5],
      [BEN, 2],
      [BEN, 4],
    ]);
    lane.answer(...[1, 2, 3, 4, 5].map((requestId) => ({ requestId, ok: true, result: { requestId } }) as const));
    const results = (await Promise.all(outcomes)).map((outcome) => outcome.ok && outcome.result);
    expect(results).toEqual([1, 2, 3, 4, 5].map((requestId) => ({ requestId })));
  });

  it('sends a single one to its slot, and what nobody is known to own at once', () => {
    const { clock, send, sent } = setUpOwners();
    void send(1, 11, 99);
    expect(sent()).toEqual([
      ['1', 1],
      ['11', 2],
      ['99', 3],
    ]);
    void send(2);
    clock.advance(0);
    expect(sent()).toEqual([['2', 4]]);
  });

  it('keeps the order of the commands to a slot whose owner changes within the turn', () => {
    const { owners, send, sent } = setUpOwners();
    void send(1, 2);
    owners.delete(1);
    void send(1);
    expect(sent()).toEqual([
      [ANNE, 1],
      [ANNE, 2],
      ['1', 3],
    ]);
  });

  it('sends everything of a message that nobody took to the slots, and fails it as never sent', async () => {
    const { clock, lane, router, send, sent } = setUpOwners();
    const [first, second] = send(1, 2);
    clock.advance(0);
    const bundle = Number(lane.sent[0]!.reply.split('.').at(-1));
    expect(sent()).toHaveLength(2);
    lane.nobody(bundle);
    clock.advance(30);
    expect(sent()).toEqual([
      ['1', 1],
      ['2', 2],
    ]);
    lane.nobody(1);
    lane.answer({ requestId: 2, ok: true, result: {} });
    expect((await second!).ok).toBe(true);
    router.close();
    expect(await first).toEqual({ ok: false, failure: retryable('closing') });
  });

  it('repeats after silence by the slot alone', () => {
    const { clock, send, sent } = setUpOwners();
    void send(1, 2);
    clock.advance(0);
    sent();
    clock.advance(limits.commandResendMs + 3 * limits.commandSweepMs);
    expect(sent()).toEqual([
      ['1', 1],
      ['2', 2],
    ]);
  });

  it('sends nothing of what was given up in the turn in which it was asked for', async () => {
    const { clock, lane, router, send } = setUpOwners();
    const [outcome] = send(1, 2);
    router.close();
    clock.advance(0);
    expect(await outcome).toEqual({ ok: false, failure: retryable('closing') });
    expect(lane.sent).toHaveLength(0);
  });
});
