import type { Msg } from '@nats-io/transport-node';
import { beforeEach, expect, test } from 'vitest';
import type { NatsLink } from '../../../broker/nats-link.ts';
import { ReplyMux, type NoReply } from '../../../broker/reply-mux.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';

const nothing = new Uint8Array(0);

let clock: ManualClock;
let receive: (message: Msg) => void;
let replies: string[];
let mux: ReplyMux;

beforeEach(() => {
  clock = new ManualClock();
  replies = [];
  mux = new ReplyMux(fakeLink(), clock, '_INBOX');
});

/** A server that takes everything and answers nothing by itself. */
function fakeLink(): NatsLink {
  const subscribe = (_: string, options: { callback: (error: null, message: Msg) => void }): void => {
    receive = (message) => options.callback(null, message);
  };
  const publish = (_: string, __: Uint8Array, rest: unknown): void => {
    replies.push(typeof rest === 'string' ? rest : String((rest as { reply: string }).reply));
  };
  const link: unknown = { connected: true, connection: { subscribe }, publish, onStatus: () => () => undefined };
  return link as NatsLink;
}

function send(timeoutMs: number): () => Msg | NoReply | undefined {
  let settled: Msg | NoReply | undefined;
  mux.send('s', nothing, timeoutMs, (reply) => (settled = reply));
  return () => settled;
}

const answer = (at: number) => receive({ subject: replies[at] ?? '', data: nothing } as Msg);

test('each request is given up by its own time-out, whatever the order in which they were sent', () => {
  const [slow, quick] = [send(1_000), send(100)];
  clock.advance(100);
  expect([slow(), quick()]).toEqual([undefined, 'timeout']);
  clock.advance(850);
  expect(slow()).toBeUndefined();
  clock.advance(50);
  expect(slow()).toBe('timeout');
});

test('an answer in time settles its request alone, and a late one nothing', () => {
  const [first, second] = [send(100), send(100)];
  answer(0);
  expect(first()).toMatchObject({ subject: replies[0] });
  clock.advance(100);
  expect(second()).toBe('timeout');
  answer(1);
  expect(second()).toBe('timeout');
});

test('nothing wakes the process while no request waits', () => {
  expect(clock.pendingCount).toBe(0);
  send(100);
  answer(0);
  clock.advance(100);
  expect(clock.pendingCount).toBe(0);
});

test('requests under load share few timers', () => {
  let fired = 0;
  const { setTimeout } = clock;
  clock.setTimeout = (run, delayMs) => {
    fired += 1;
    return setTimeout.call(clock, run, delayMs);
  };
  for (let ms = 0; ms < 1_000; ms += 1) {
    send(200);
    answer(ms);
    clock.advance(1);
  }
  expect(fired).toBeLessThan(1_000 / limits.natsReplySweepMs);
});
