/** The checkers of recorded histories find what they are there for: each history below breaks one promise. */
import { describe, expect, test } from 'vitest';
import { limits } from '../../../platform/limits.ts';
import { checkHistory, type Delivery, type History, type PostRecord } from '../../support/history-checks.ts';

const channel = 'C1';
const ts = (seq: number) => `1700000000.00000${seq}`;
const post = (number: number, seq: number | undefined, atMs = number * 10): PostRecord => ({
  ...{ channel, sender: 'a', number, text: `a/${number}`, sentMs: atMs },
  acked: seq === undefined ? undefined : { atMs: atMs + 5, seq, ts: ts(seq) },
});
const entry = (seq: number, number: number) => ({ seq, ts: ts(seq), text: `a/${number}` });
const delivery = (seq: number, number: number, more: Partial<Delivery> = {}): Delivery => ({
  ...{ channel, seq, atMs: seq, session: 0, text: `a/${number}`, kind: 'event' },
  ...more,
});
const listener = (...deliveries: readonly Delivery[]) => ({
  ...{ name: 'l', user: 'U1', start: new Map([[channel, 0]]), deliveries },
  online: [{ fromMs: 0, toMs: 100 }],
});

const sound: History = {
  posts: [post(0, 1), post(1, 2), post(2, undefined), post(3, 3)],
  logs: new Map([[channel, [entry(1, 0), entry(2, 1), entry(3, 3)]]]),
  listeners: [listener(delivery(1, 0), delivery(2, 1, { session: 1 }), delivery(3, 3, { kind: 'ack' }))],
  presence: [{ user: 'U1', presence: 'active', atMs: 50 }],
};
const breaches = (change: Partial<History>) => checkHistory({ ...sound, ...change }, 10);
const logged = (...log: ReturnType<typeof entry>[]) => ({ logs: new Map([[channel, log]]), listeners: [] });

describe('a history', () => {
  test('in which everything holds passes', () => {
    expect(breaches({})).toEqual([]);
  });

  test('may hold a post that was never acknowledged', () => {
    expect(breaches({ ...logged(entry(1, 0), entry(2, 1), entry(3, 3), entry(4, 2)), posts: sound.posts })).toEqual([
      "C1: seq 4 is a's 2 after 3",
    ]);
    const later = [post(0, 1), post(1, 2), post(2, 3), post(3, undefined)];
    expect(breaches({ ...logged(entry(1, 0), entry(2, 1), entry(3, 2), entry(4, 3)), posts: later })).toEqual([]);
  });

  test.each<[string, Partial<History>, RegExp]>([
    ['loses an acknowledged post', logged(entry(1, 0), entry(2, 1)), /a\/3, acknowledged with seq 3, is not in/],
    ['holds a post twice', logged(entry(1, 0), entry(2, 1), entry(3, 3), entry(4, 3)), /a\/3 stands at seq 3, 4/],
    ['holds what nobody posted', logged(entry(1, 0), entry(2, 1), entry(3, 3), entry(4, 9)), /nobody posted seq 4/],
    ['has a hole in the log', logged(entry(1, 0), entry(2, 1), entry(4, 3)), /seq 4 after 2/],
    ['acknowledges a wrong place', { posts: [post(0, 1), post(1, 2), post(3, 2)] }, /a\/3 stands at 3/],
    ['turns posts of a sender round', { posts: [post(1, 1), post(0, 2)] }, /nobody|stands/],
    ['goes back in real time', { posts: [post(0, 2, 0), post(1, 1, 50)] }, /sent after 2 was acknowledged/],
    ['skips an event', { listeners: [listener(delivery(1, 0), delivery(3, 3))] }, /1 to 3 are missing/],
    ['repeats an event', { listeners: [listener(delivery(1, 0), delivery(1, 0))] }, /came again/],
    ['ends early', { listeners: [listener(delivery(1, 0), delivery(2, 1))] }, /ends at 2, the log at 3/],
    ['delivers something else', { listeners: [listener(delivery(1, 7))] }, /seq 1 came as a\/7/],
    ['shows away who is there', { presence: [{ user: 'U1', presence: 'away', atMs: 50 }] }, /away at 50 ms/],
  ])('that %s does not', (_, change, breach) => {
    expect(breaches(change).join('\n')).toMatch(breach);
  });

  test('may leave out by a resync what is too much to replay, and nothing else', () => {
    const most = limits.resumeGapEventsMax;
    const seqs = Array.from({ length: most + 3 }, (_, at) => at + 1);
    const posts = seqs.map((seq) => post(seq, undefined));
    const logs = new Map([[channel, seqs.map((seq) => ({ ...entry(seq, seq), ts: String(1e6 + seq) }))]]);
    const resync = delivery(1, 0, { kind: 'resync' });
    const jump = (to: number) => [
      listener(delivery(1, 1), resync, ...seqs.slice(to - 1).map((seq) => delivery(seq, seq))),
    ];
    expect(breaches({ posts, logs, listeners: jump(most + 3) })).toEqual([]);
    expect(breaches({ posts, logs, listeners: jump(most + 2) }).join()).toMatch(/resync at 1 left out 10000 events/);
    expect(breaches({ posts, logs, listeners: jump(2) }).join()).toMatch(/resync at 1 left out 0 events/);
  });

  test('may not end with a resync in the place of a few events', () => {
    const resync = delivery(1, 0, { kind: 'resync' });
    const found = breaches({ listeners: [listener(delivery(1, 0), resync)] });
    expect(found).toEqual(['l on C1: resync at 1 left out 2 events at the end']);
  });

  test('may show away who has gone for longer than the grace', () => {
    expect(breaches({ presence: [{ user: 'U1', presence: 'away', atMs: 120 }] })).toEqual([]);
  });
});
