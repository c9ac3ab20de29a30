import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { GatewayOutboxes } from '../../../actors/gateway-outbox.ts';
import { PresenceSlot } from '../../../actors/presence-actor.ts';
import { announce, NO_FACTS, presenceOf, type PresenceFacts } from '../../../actors/presence-rules.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { decodeBatch } from '../../../protocol/batches.ts';
import type { Incarnation, UserId } from '../../../protocol/ids.ts';
import { ALICE, BOB } from '../../support/actor-lab.ts';

const A = { region: 'local', incarnation: 'g-a' as Incarnation };
const B = { region: 'local', incarnation: 'g-b' as Incarnation };
const GRACE = limits.presenceGraceMs;
const BATCH = limits.presenceBatchMs;

describe('the rules', () => {
  test('announcements of one gateway count by their own time, in whatever order they come', () => {
    const said = fc.record({ at: fc.nat(50), sessions: fc.nat(2), idle: fc.boolean() });
    fc.assert(
      fc.property(
        fc.uniqueArray(said, { selector: ({ at }) => at, minLength: 1, maxLength: 8 }),
        fc.func(fc.nat()),
        (all, rank) => {
          const fold = (list: typeof all) => {
            let facts: PresenceFacts = { ...NO_FACTS, manualAway: false };
            for (const one of list) facts = announce(facts, { gateway: A.incarnation, ...one }, 0, 0);
            return facts;
          };
          const inOrder = [...all].sort((a, b) => a.at - b.at);
          const shuffled = [...all].sort((a, b) => rank(a.at) - rank(b.at));
          expect(presenceOf(fold(shuffled), 1, true)).toBe(presenceOf(fold(inOrder), 1, true));
        },
      ),
    );
  });
});

describe('a slot', () => {
  let clock: ManualClock;
  let told: [string, UserId, string][];
  let outboxes: GatewayOutboxes;
  let slot: PresenceSlot;
  let alive: Map<Incarnation, string>;
  let manualAway: boolean | undefined;
  let at: number;

  beforeEach(() => {
    clock = new ManualClock();
    told = [];
    at = 0;
    manualAway = false;
    alive = new Map([
      [A.incarnation, 'local'],
      [B.incarnation, 'local'],
    ]);
    const publish = (subject: string, data: Uint8Array): void => {
      for (const entry of decodeBatch(data).entries) {
        if (entry.kind === 'presence') told.push([subject.slice(-3), entry.user, entry.presence]);
      }
    };
    outboxes = new GatewayOutboxes({ worker: 'w' as Incarnation, messaging: { publish }, clock });
    slot = makeSlot();
  });

  function makeSlot(usersMax = 100): PresenceSlot {
    let users = 0;
    return new PresenceSlot({
      clock,
      openedAtMs: clock.monotonicMs(),
      outboxes,
      manualAway: () => Promise.resolve(manualAway),
      gatewaysAlive: () => alive,
      takePlace: () => users++ < usersMax,
      leavePlace: () => void users--,
    });
  }

  const say = (gateway: typeof A, sessions: number, idle = false, user = ALICE) =>
    slot.sessions({ kind: 'sessions', gateway, at: ++at, entries: [[user, sessions, idle]] });
  /** Both gateways have spoken: nothing is unknown for their sake. */
  const everybodyHeard = () =>
    [A, B].forEach((gateway) => slot.sessions({ kind: 'sessions', gateway, at: ++at, entries: [] }));
  const pass = (durationMs: number) => clock.advanceAndSettle(durationMs);
  const watch = (gateway = A) => slot.watch(outboxes.of(gateway), [ALICE]);

  test('a first session shows as active, its end as away after the grace', async () => {
    everybodyHeard();
    watch();
    await pass(BATCH * 2);
    say(A, 1);
    await pass(BATCH * 2);
    say(A, 0);
    await pass(GRACE - BATCH * 3);
    expect(told).toEqual([
      ['g-a', ALICE, 'away'],
      ['g-a', ALICE, 'active'],
    ]);
    await pass(BATCH * 6);
    expect(told.at(-1)).toEqual(['g-a', ALICE, 'away']);
    expect(told).toHaveLength(3);
  });

  test.each([
    ['at the same gateway', A],
    ['at another one', B],
  ])('a reconnect within the grace shows nothing, %s', async (_where, next) => {
    everybodyHeard();
    say(A, 1);
    await pass(BATCH * 2);
    watch();
    await pass(BATCH * 2);
    told = [];
    say(A, 0);
    await pass(GRACE / 2);
    say(next, 1);
    await pass(GRACE * 2);
    expect(told).toEqual([]);
    expect(slot.query([ALICE])).toEqual([[ALICE, 'active']]);
  });

  test('a gateway that dies takes its sessions with it, after the grace', async () => {
    everybodyHeard();
    say(B, 1);
    watch();
    await pass(BATCH * 2);
    told = [];
    alive.delete(B.incarnation);
    outboxes.gatewayGone(B.incarnation);
    slot.gatewayGone(B.incarnation);
    await pass(GRACE - BATCH);
    expect(told).toEqual([]);
    await pass(BATCH * 3);
    expect(told).toEqual([['g-a', ALICE, 'away']]);
  });

  test('idle shows at once, and away by hand wins over everything', async () => {
    everybodyHeard();
    say(A, 1);
    await pass(BATCH * 2);
    watch();
    told = [];
    say(A, 1, true);
    await pass(BATCH * 2);
    say(A, 1, false);
    await pass(BATCH * 2);
    slot.manualChanged(ALICE, true);
    await pass(BATCH * 2);
    expect(told.map(([, , presence]) => presence)).toEqual(['away', 'active', 'away']);
  });

  test('changes within a batch are told as their result', async () => {
    everybodyHeard();
    say(A, 1);
    await pass(BATCH * 2);
    watch();
    told = [];
    say(A, 1, true);
    say(A, 1, false);
    await pass(BATCH * 2);
    expect(told).toEqual([]);
  });

  test('until every live gateway has spoken nobody is away, and nothing is told', async () => {
    watch();
    slot.sessions({ kind: 'sessions', gateway: A, at: ++at, entries: [] });
    await pass(BATCH * 2);
    expect(slot.query([ALICE, BOB])).toEqual([
      [ALICE, 'unknown'],
      [BOB, 'unknown'],
    ]);
    expect(told).toEqual([]);
    slot.sessions({ kind: 'sessions', gateway: B, at: ++at, entries: [] });
    await pass(BATCH * 2);
    expect(told).toEqual([['g-a', ALICE, 'away']]);
  });

  test('the grace ends the wait for a gateway that never speaks', async () => {
    watch();
    await pass(GRACE + BATCH * 2);
    expect(told).toEqual([['g-a', ALICE, 'away']]);
  });

  test('who does not watch any more is not told; a user whom nobody needs takes no memory', async () => {
    everybodyHeard();
    watch();
    await pass(BATCH * 2);
    told = [];
    slot.unwatch(outboxes.of(A), [ALICE]);
    expect(slot.userCount).toBe(0);
    say(A, 1);
    say(A, 0);
    await pass(GRACE * 2);
    expect(told).toEqual([]);
    expect(slot.userCount).toBe(0);
  });

  test('beyond the limit a newcomer is unknown', () => {
    slot = makeSlot(1);
    everybodyHeard();
    expect(slot.watch(outboxes.of(A), [ALICE, BOB])[1]).toEqual([BOB, 'unknown']);
    expect(slot.userCount).toBe(1);
  });

  test('a flag that cannot be read yet keeps the user unknown', async () => {
    manualAway = undefined;
    everybodyHeard();
    say(A, 1);
    expect(watch()).toEqual([[ALICE, 'unknown']]);
    await pass(BATCH * 2);
    expect(told).toEqual([]);
    manualAway = true;
    await pass(limits.membershipNoteRetryMs + BATCH * 2);
    expect(told).toEqual([['g-a', ALICE, 'away']]);
  });

  test('the answer for one user says how it comes about', () => {
    everybodyHeard();
    say(A, 2);
    say(B, 1, true);
    expect(slot.answer(ALICE, true)).toMatchObject({
      presence: 'away',
      manualAway: true,
      autoAway: false,
      connections: 3,
    });
  });
});
