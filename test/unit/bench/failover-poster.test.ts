/** The load of the failover scenario against a real HTTP server that answers when the test says so. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FailoverPoster } from '../../../bench/failover-poster.ts';
import { machineClock } from '../../../bench/machine-clock.ts';
import { makeText } from '../../../bench/message-text.ts';
import { systemClock } from '../../../platform/clock.ts';
import { until } from '../../support/until.ts';

type Asked = { readonly id: string; readonly text: string; readonly response: ServerResponse };

let asked: Asked[] = [];
let poster: FailoverPoster;
const machine = machineClock(systemClock);
const server = createServer((request, response) => void take(request, response));

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  const form = new URLSearchParams(body);
  asked.push({ id: form.get('client_msg_id') ?? '', text: form.get('text') ?? '', response });
}

function acknowledge({ response }: Asked, seq: number): void {
  response.end(JSON.stringify({ ok: true, ts: '1700000000.000001', message: { seq } }));
}

beforeEach(async () => {
  asked = [];
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`;
  poster = new FailoverPoster(api, { id: 'C1', token: 'xoxp-test' }, systemClock, machine);
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it('sends what is due while nothing is answered, and counts each from when it was due', async () => {
  const dueUs = machine.nowUs() - 50_000;
  for (const late of [0, 20_000, 40_000]) poster.post(dueUs + late);
  await until('posts to come', () => asked.length === 3);
  for (const [at, one] of asked.entries()) acknowledge(one, at + 1);
  expect(await poster.finish()).toEqual([]);
  expect(poster.acks.map((ack) => ack.dueUs - dueUs).toSorted((a, b) => a - b)).toEqual([0, 20_000, 40_000]);
  expect(Math.max(...poster.acks.map((ack) => ack.atUs - ack.dueUs))).toBeGreaterThan(50_000);
});

it('repeats a refused post under its id, and remembers that it was refused', async () => {
  poster.post(machine.nowUs());
  await until('posts to come', () => asked.length === 1);
  asked[0]?.response.writeHead(503).end('{"ok":false}');
  await until('posts to come', () => asked.length === 2);
  acknowledge(asked[1]!, 1);
  expect(await poster.finish()).toEqual([]);
  expect(asked[1]?.id).toBe(asked[0]?.id);
  expect(poster.acks).toMatchObject([{ refusals: 1, decidedMs: 1_700_000_000_000.001 }]);
});

it('fails with a post that is refused for good, and with one that got the seq of another', async () => {
  poster.post(machine.nowUs());
  await until('posts to come', () => asked.length === 1);
  asked[0]?.response.end('{"ok":false,"error":"not_in_channel"}');
  for (let more = 0; more < 2; more += 1) poster.post(machine.nowUs());
  await until('posts to come', () => asked.length === 3);
  acknowledge(asked[1]!, 1);
  acknowledge(asked[2]!, 1);
  expect(await poster.finish()).toEqual([
    'C1: a post failed: HTTP 200 {"ok":false,"error":"not_in_channel"}',
    'C1: seq 1 was given to two posts',
  ]);
});

it('finds what the log lacks, has under another seq, and has twice', async () => {
  for (let posts = 0; posts < 3; posts += 1) poster.post(machine.nowUs());
  await until('posts to come', () => asked.length === 3);
  const inOrder = asked.toSorted((a, b) => (a.text.slice(17) < b.text.slice(17) ? -1 : 1));
  for (const [at, one] of inOrder.entries()) acknowledge(one, at + 1);
  await poster.finish();
  const [first = '', second = '', third = ''] = inOrder.map(({ text }) => text);
  expect(
    poster.checkLog([
      [1, first],
      [2, second],
      [3, third],
    ]),
  ).toEqual([]);
  expect(
    poster.checkLog([
      [1, first],
      [3, third],
    ]),
  ).toEqual(['C1: 1 acknowledged messages are not in its history']);
  expect(
    poster.checkLog([
      [1, second],
      [2, first],
      [3, third],
    ]),
  ).toEqual(['C1: 2 messages of its history differ from what was acknowledged']);
  expect(
    poster.checkLog([
      [1, first],
      [2, second],
      [3, third],
      [4, makeText(2, 0, 100)],
    ]),
  ).toEqual(['C1: 1 messages of its history were never acknowledged']);
});
