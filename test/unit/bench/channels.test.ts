import { describe, expect, test } from 'vitest';
import { channelOf, channelsMax } from '../../../bench/channels-ids.ts';
import { LoopDelay } from '../../../bench/loop-delay.ts';
import { numberOfUser, ticketOf, userOf } from '../../../bench/session-tickets.ts';
import type { Clock } from '../../../platform/clock.ts';
import { parseChannelId, parseUserId, type Incarnation } from '../../../protocol/ids.ts';
import { verifyTicket } from '../../../protocol/tickets.ts';

describe('numbered channels and users', () => {
  test('every number has an id of its own, as long as real ones, up to the highest', () => {
    const numbers = [...Array.from({ length: 20_000 }, (_, at) => at), channelsMax - 1, channelsMax];
    const ids = new Set(numbers.map(channelOf));
    expect(ids.size).toBe(numbers.length);
    for (const id of ids) expect(parseChannelId(id)).toHaveLength(11);
  });

  test("a user's number is told from its id, and its ticket opens the gateway that it names", () => {
    expect(numberOfUser(userOf(123_456))).toBe(123_456);
    expect(parseUserId(userOf(123_456))).toBeDefined();
    const gateway = 'gateway-1' as Incarnation;
    const verdict = verifyTicket('secret', ticketOf(7, 'secret', gateway, 1_000), 1_000);
    expect(verdict).toMatchObject({ kind: 'valid', claims: { user: userOf(7), gateway } });
  });
});

test('a stalled loop counts for everybody who would have waited, not as one late timer', () => {
  let nowMs = 0;
  let tick = (): void => undefined;
  const setInterval: Clock['setInterval'] = (run) => {
    tick = run;
    return { cancel: () => undefined };
  };
  const clock: Pick<Clock, 'monotonicMs' | 'setInterval'> = { monotonicMs: () => nowMs, setInterval };
  const delay = new LoopDelay(clock);
  for (let i = 0; i < 100; i++) {
    nowMs += 1;
    tick();
  }
  nowMs += 101;
  tick();
  const { p50Ms, p99Ms, maxMs } = delay.stop().percentiles();
  expect(p50Ms).toBeLessThan(2);
  expect(p99Ms).toBeGreaterThan(95);
  expect(maxMs).toBeGreaterThan(99);
});
