/** What the chaos runs check besides the histories: each line below is one thing that must not pass, or may. */
import { describe, expect, test } from 'vitest';
import { checkIncidents } from '../../chaos/incident-checks.ts';
import { checkRecovery, recoveries } from '../../chaos/recovery-checks.ts';
import type { Fault } from '../../chaos/recorder.ts';
import type { PostRecord } from '../../support/history-checks.ts';

const fault = (what: string, more: Partial<Fault> = {}): Fault => ({ atMs: 1_000, untilMs: 2_000, what, ...more });
const told = (what: string, faults: readonly Fault[], atMs = 1_500) =>
  checkIncidents([{ atMs, who: 'a', what }], faults);
const error = (code: number, msg: string) => `rtm refused ${JSON.stringify({ code, msg })}`;

describe('what a client was told', () => {
  test.each([
    ['rtm closed 1006', 'kill gateway-1'],
    ['rtm closed 4000', 'drain gateway-2'],
    ['rtm silence', 'freeze for 3000 ms: gateway-2'],
    ['http ECONNREFUSED', 'restart webapp-1'],
    ['http 503 service_unavailable', 'cut up for 900 ms'],
    [error(3, 'service_unavailable'), 'kill nats-1'],
  ])('may be %s after %s', (what, by) => {
    expect(told(what, [fault(by)])).toEqual([]);
  });

  test.each([
    ['a code that says not to come back', 'rtm closed 4202'],
    ['a session that could not be set up', 'rtm closed 4102'],
    ['a lost place in a stream', 'rtm closed 4002'],
    ['a rejected post', error(2, 'channel_not_found')],
    ['a rate limit', error(4, 'ratelimited')],
    ['a failure that is none of the kind', 'http 200 service_unavailable'],
    ['a bug', 'http 500 internal_error'],
  ])('may never be %s', (_, what) => {
    const faults = ['kill gateway-1', 'kill worker-1', 'kill nats-1', 'kill webapp-1', 'cut up for 9 ms'].map((by) =>
      fault(by),
    );
    expect(told(what, faults)).toEqual([`a was told "${what}" at 1500 ms, which nobody may be`]);
  });

  test.each([
    ['a cut socket by a killed worker', 'rtm closed 1006', 'kill worker-1', 1_500],
    ['a goodbye by a killed gateway', 'rtm closed 4000', 'kill gateway-1', 1_500],
    ['a refused connection by a drained gateway', 'http ECONNREFUSED', 'drain gateway-1', 1_500],
    ['anything before the fault', 'http 503 service_unavailable', 'kill worker-1', 900],
    ['anything long after it', 'http 503 service_unavailable', 'kill worker-1', 20_000],
  ])('does not explain %s', (_, what, by, atMs) => {
    expect(told(what, [fault(by)], atMs).join()).toMatch(/which no fault explains/);
  });
});

describe('the recovery from a fault', () => {
  const post = (channel: string, sentMs: number, ackedMs: number | undefined): PostRecord => ({
    ...{ channel, sender: 's', number: sentMs, text: `${channel}/${sentMs}`, sentMs },
    acked: ackedMs === undefined ? undefined : { atMs: ackedMs, seq: 1, ts: '1' },
  });
  const own = new Set(['C1']);
  const posts = [post('C1', 900, 1_100), post('C1', 1_200, 7_000), post('C1', 1_300, 8_000), post('C2', 1_200, 9_000)];

  test('counts the channels that it touched, from its begin to the first new post', () => {
    expect(recoveries(fault('kill worker-1', { channels: own }), posts)).toEqual(new Map([['C1', 6_000]]));
    expect(recoveries(fault('kill nats-1'), posts)?.get('C2')).toBe(8_000);
    expect(recoveries(fault('kill gateway-1'), posts)).toBeUndefined();
  });

  test('is a breach when it takes too long, or never ends', () => {
    const slow = checkRecovery([fault('kill worker-1', { channels: own })], posts);
    expect(slow).toEqual(['C1: nothing was accepted for 6000 ms after kill worker-1']);
    const never = checkRecovery([fault('cut up', { channels: own })], [post('C1', 1_200, undefined)]);
    expect(never.join()).toMatch(/nothing was accepted for Infinity ms after cut up/);
  });

  test('may take longer while the broker is gone', () => {
    const faults = [fault('kill worker-1', { channels: own }), fault('kill nats-1', { atMs: 2_500, untilMs: 2_600 })];
    expect(checkRecovery(faults, posts)).toEqual([]);
    const late = [fault('kill worker-1', { channels: own }), fault('kill nats-1', { atMs: 9_500, untilMs: 9_600 })];
    expect(checkRecovery(late, posts)).toHaveLength(1);
  });
});
