import { beforeEach, expect, test } from 'vitest';
import { MembershipOutbox } from '../../../actors/membership-outbox.ts';
import type { CommandOutcome } from '../../../cluster/command-sender.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { silentLogger } from '../../../platform/logger.ts';
import { retryable } from '../../../protocol/errors.ts';
import type { StreamId } from '../../../protocol/ids.ts';
import { ALICE, BOB, channelMeta, userId } from '../../support/actor-lab.ts';

type Sent = { stream: StreamId; seq: number; member: boolean; settle: (ok: boolean) => Promise<void> };

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
let clock: ManualClock;
let sent: Sent[];
let outbox: MembershipOutbox;

beforeEach(() => {
  clock = new ManualClock();
  sent = [];
  const toStream = (stream: StreamId, command: { channelSeq: number; member: boolean }) =>
    new Promise<CommandOutcome<Record<string, never>>>((resolve) => {
      const answer = (ok: boolean) => {
        resolve(ok ? { ok, result: {} } : { ok, failure: retryable('away') });
        return settle();
      };
      sent.push({ stream, seq: command.channelSeq, member: command.member, settle: answer });
    });
  const sender = { toStream } as unknown as ConstructorParameters<typeof MembershipOutbox>[0]['sender'];
  outbox = new MembershipOutbox({ sender, clock, logger: silentLogger, meta: () => channelMeta() });
});

const fail = () => expect.unreachable();

test('one user hears in order: the second note waits for the first', async () => {
  outbox.add({ user: ALICE, seq: 2, member: true });
  outbox.add({ user: ALICE, seq: 3, member: false });
  outbox.add({ user: BOB, seq: 4, member: true });
  expect(sent.map(({ stream, seq }) => [stream, seq])).toEqual([
    [ALICE, 2],
    [BOB, 4],
  ]);
  await sent[0]?.settle(true);
  expect(sent[2]).toMatchObject({ stream: ALICE, seq: 3, member: false });
});

test('an undelivered note is kept, is sent again, and lets nobody go before', async () => {
  let done = false;
  outbox.add({ user: ALICE, seq: 2, member: true });
  outbox.whenDelivered([ALICE, BOB], 2, () => (done = true), fail);
  await sent[0]?.settle(false);
  expect([done, outbox.size]).toEqual([false, 1]);
  await clock.advanceAndSettle(limits.membershipNoteRetryMs);
  await sent[1]?.settle(true);
  expect([done, outbox.size, outbox.pending()]).toEqual([true, 0, []]);
});

test('who waits for a seq is not held up by later notes', async () => {
  let done = false;
  outbox.add({ user: ALICE, seq: 2, member: true });
  outbox.add({ user: ALICE, seq: 9, member: false });
  outbox.whenDelivered([ALICE], 2, () => (done = true), fail);
  await sent[0]?.settle(true);
  expect(done).toBe(true);
});

test('nobody waits for ever: past its patience an answer goes out, and the note is still kept', async () => {
  let answers = 0;
  outbox.add({ user: ALICE, seq: 2, member: true });
  outbox.whenDelivered([ALICE], 2, () => (answers += 1), fail);
  clock.advance(limits.membershipAnswerWaitMs - 1);
  expect(answers).toBe(0);
  clock.advance(1);
  expect([answers, outbox.size]).toEqual([1, 1]);
  await sent[0]?.settle(true);
  expect([answers, outbox.size]).toEqual([1, 0]);
});

test('so many are on their way at once, and no more', async () => {
  for (let n = 0; n < 200; n++) outbox.add({ user: userId(n), seq: n + 2, member: true });
  expect(sent).toHaveLength(limits.membershipNotesInFlightMax);
  await sent[0]?.settle(true);
  expect(sent).toHaveLength(limits.membershipNotesInFlightMax + 1);
});

test('a note seen before, from the snapshot or the log, is not sent twice', () => {
  outbox.add({ user: ALICE, seq: 5, member: true });
  outbox.add({ user: ALICE, seq: 5, member: true });
  outbox.add({ user: ALICE, seq: 4, member: false });
  expect(outbox.pending()).toEqual([{ user: ALICE, seq: 5, member: true }]);
});

test('closing tells everybody who waits that the notes are lost here', () => {
  const told: string[] = [];
  outbox.add({ user: ALICE, seq: 2, member: true });
  const [done, lost] = ['done', 'lost'].map((what) => () => void told.push(what)) as [() => void, () => void];
  outbox.whenDelivered([ALICE], 2, done, lost);
  outbox.close();
  expect(told).toEqual(['lost']);
});
