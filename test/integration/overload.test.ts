/**
 * Far more posts at once than a channel takes, far more calls than a token may make: explicit, retryable answers, bounded
 * memory, nothing acknowledged lost (G1, G3, G8).
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiRequest, HttpConnection } from '../../bench/http-client.ts';
import { freePort } from '../../platform/free-port.ts';
import { limits } from '../../platform/limits.ts';
import { api, callApi } from '../support/api.ts';
import type { CliRun } from '../support/belfry-cli.ts';
import { startBelfryDev, type BelfryDev } from '../support/belfry-dev.ts';
import { natsPortOf, spawnRoleBeside } from '../support/role-beside.ts';
import type { Frame } from '../support/rtm-socket.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

/** More at any time than one channel's mailbox holds. */
const connections = 1.2 * limits.mailboxMessagesMax;
const postsEach = 5;
const textBytes = 1_000;
/** What a burst adds to a process at most, garbage included, however often it is tried again. */
const growthBytesMax = 300 * 1_024 * 1_024;

let dev: BelfryDev;
const base = () => dev.file.api;
const token = () => dev.file.users[0]?.token ?? '';

beforeAll(async () => {
  dev = await startBelfryDev({ workers: 2 });
}, 60_000);
afterAll(async () => {
  await dev?.stop();
});

/** Resident bytes of each Node process, by role and pid. */
function residentBytes(): Map<string, number> {
  const nodes = dev.file.processes.filter(({ role }) => role !== 'nats');
  return new Map(nodes.map(({ role, pid }) => [`${role} ${pid}`, residentOf(pid)]));
}

const residentOf = (pid: number) => statusOf(pid, 'VmRSS');
/** The most that was ever resident. */
const peakOf = (pid: number) => statusOf(pid, 'VmHWM');

function statusOf(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1_024;
}

interface Tally {
  readonly acked: Map<string, number>;
  /** `status error` of every refusal. */
  readonly refused: Map<string, number>;
}

/** Sends its posts one after another, each once. */
async function post(channel: string, from: number, tally: Tally): Promise<void> {
  const connection = new HttpConnection(base());
  for (let n = from; n < from + postsEach; n += 1) {
    const text = `${n} ${'x'.repeat(textBytes)}`;
    const fields = { channel, text, client_msg_id: randomUUID() };
    const { status, body } = await connection.request(apiRequest(base(), 'chat.postMessage', token(), fields));
    const answer = JSON.parse(body) as { ok: boolean; error?: string; message?: { seq?: number } };
    if (answer.ok) tally.acked.set(text, Number(answer.message?.seq));
    else {
      const why = `${status} ${answer.error ?? ''}`;
      tally.refused.set(why, (tally.refused.get(why) ?? 0) + 1);
    }
  }
  connection.close();
}

/** Undefined while the servers are too busy for it. */
async function pageOf(channel: string, cursor: string) {
  const { body } = await callApi(base(), 'conversations.history', token(), { channel, limit: 999, cursor });
  return body.ok ? body : undefined;
}

async function wholeHistory(channel: string): Promise<Frame[]> {
  const messages: Frame[] = [];
  let cursor = '';
  do {
    const page = await until('a page of history', () => pageOf(channel, cursor));
    messages.push(...(page['messages'] as Frame[]));
    cursor = (page['response_metadata'] as { next_cursor?: string } | undefined)?.next_cursor ?? '';
  } while (cursor !== '');
  return messages.reverse();
}

describe('a burst far beyond what a channel takes', () => {
  test('is answered post by post, in bounded memory, and every acknowledged one is there once', async () => {
    const { channel } = await api(base(), 'conversations.create', token(), { name: `o-${randomUUID().slice(0, 8)}` });
    const { id } = channel as { id: string };
    const before = residentBytes();
    const tally: Tally = { acked: new Map(), refused: new Map() };
    await Promise.all(Array.from({ length: connections }, (_, at) => post(id, at * postsEach, tally)));
    const after = residentBytes();

    const answered = tally.acked.size + [...tally.refused.values()].reduce((sum, count) => sum + count, 0);
    expect(answered).toBe(connections * postsEach);
    // Whatever was refused may be tried again, and says so.
    for (const why of tally.refused.keys()) expect(['503 service_unavailable', '429 ratelimited']).toContain(why);
    for (const [name, bytes] of after) expect(bytes - (before.get(name) ?? 0), name).toBeLessThan(growthBytesMax);

    const log = await wholeHistory(id);
    const texts = log.map((message) => String(message['text']));
    expect(new Set(texts).size).toBe(texts.length);
    const seqs = new Map(log.map((message) => [String(message['text']), Number(message['seq'])]));
    for (const [text, seq] of tally.acked) expect(seqs.get(text)).toBe(seq);
    const growth = [...after].map(
      ([name, bytes]) => `${name}: ${mib(bytes)} MiB, +${mib(bytes - (before.get(name) ?? 0))}`,
    );
    console.info(
      `${tally.acked.size} acknowledged, refused: ${JSON.stringify([...tally.refused])}; ${growth.join('; ')}`,
    );
  }, 120_000);
});

describe('one client that asks far too often', () => {
  const method = 'conversations.list';
  const own = () => dev.file.users[1]?.token ?? '';

  /** One after another on one connection, until it is refused. */
  async function askUntilRefused(): Promise<number> {
    const connection = new HttpConnection(base());
    const request = apiRequest(base(), method, own(), { limit: '1' });
    let status = 200;
    while (status === 200) ({ status } = await connection.request(request));
    connection.close();
    return status;
  }

  test('is answered 429 with the seconds to wait, and is let through after them; nobody else is held up', async () => {
    const limited = await until('a refusal', async () => {
      const statuses = await Promise.all(Array.from({ length: 32 }, askUntilRefused));
      expect(new Set(statuses)).toEqual(new Set([429]));
      const answer = await callApi(base(), method, own());
      return answer.status === 429 && answer;
    });
    expect(limited.body).toEqual({ ok: false, error: 'ratelimited' });
    expect(limited.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    expect((await callApi(base(), method, token())).body.ok).toBe(true);
    const waitMs = Number(limited.headers.get('retry-after')) * 1_000;
    const isServed = async () => (await callApi(base(), method, own())).status === 200;
    await until('its turn', isServed, waitMs + 5_000);
  }, 60_000);
});

/** A worker whose log is far away: a full record takes some 0.4 s, so its channels take few long posts a second. */
describe('a burst at a channel whose log is slow', () => {
  const longTextBytes = 30_000;
  /** Twice what its mailbox holds. */
  const burst = 2 * Math.ceil(limits.mailboxBytesMax / longTextBytes);
  const slowness = { delayMs: 60, bytesPerSecond: 10_000_000, only: '.append"' };
  let proxy: TcpProxy;
  let far: CliRun;
  let adminPort = 0;

  beforeAll(async () => {
    proxy = await TcpProxy.start(natsPortOf(dev));
    adminPort = (await freePort()) ?? 0;
    const flags = ['--id', 'worker-far', '--weight', '1000', '--admin-port', String(adminPort)];
    far = spawnRoleBeside(dev, 'worker', proxy.port, flags);
    await until('it to own nearly every slot', async () => (await slotsOfFar()) > 4_000, 30_000);
  }, 40_000);
  afterAll(async () => {
    proxy?.heal();
    far?.child.kill('SIGTERM');
    await far?.ended;
    await proxy?.stop();
  });

  async function slotsOfFar(): Promise<number> {
    const { workers } = await api(base(), 'belfry.cluster.info', dev.file.admin);
    const known = workers as readonly { readonly id: string; readonly slots: number }[];
    return known.find(({ id }) => id === 'worker-far')?.slots ?? 0;
  }

  async function overflows(): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
    return Number(/^belfry_mailbox_overflows_total\S* (\d+)/m.exec(text)?.[1]);
  }

  const textOf = (n: number) => `${n} ${'y'.repeat(longTextBytes)}`;
  const send = (channel: string, n: number) =>
    callApi(base(), 'chat.postMessage', token(), { channel, text: textOf(n), client_msg_id: `burst-${channel}-${n}` });

  /** A few in each turn: the proxy is in this process, and a connection whose pings it keeps is closed. */
  async function sendAll(channel: string, numbers: readonly number[]) {
    const answers: ReturnType<typeof send>[] = [];
    for (const n of numbers) {
      answers.push(send(channel, n));
      if (n % 4 === 0) await nextTurn();
    }
    return Promise.all(answers);
  }

  /** The few slots that the others kept are no use here: a post takes a while at the far worker. */
  const slowChannel = () =>
    until('a channel of the far worker', async () => {
      const { channel } = await api(base(), 'conversations.create', token(), { name: `s-${randomUUID().slice(0, 8)}` });
      const { id } = channel as { id: string };
      const sentMs = performance.now();
      await api(base(), 'chat.postMessage', token(), { channel: id, text: 'first' });
      return performance.now() - sentMs >= slowness.delayMs && id;
    });

  test('is refused beyond the mailbox, with the time to wait; whatever is sent again is there once', async () => {
    proxy.slow(slowness);
    const channel = await slowChannel();
    const pids = [
      ...dev.file.processes.filter(({ role }) => role !== 'nats'),
      { role: 'far', pid: far.child.pid ?? 0 },
    ];
    const before = pids.map(({ pid }) => residentOf(pid));
    const refusedBefore = await overflows();
    const answers = await sendAll(
      channel,
      Array.from({ length: burst }, (_, n) => n),
    );
    const growth = pids.map(({ pid }, at) => peakOf(pid) - (before[at] ?? 0));

    expect(await overflows()).toBeGreaterThan(refusedBefore);
    const refused = answers.flatMap((answer, n) => (answer.body.ok ? [] : [{ answer, n }]));
    const acked = answers.flatMap(({ body }, n) => (body.ok ? [{ n, seq: seqOf(body) }] : []));
    // Even the mailbox that was full from the beginning has been worked off meanwhile, as far as the log allows.
    expect(acked.length).toBeGreaterThan(20);
    expect(refused.length).toBeGreaterThan(burst / 4);
    for (const { answer } of refused) {
      expect([answer.status, answer.body.error]).toEqual([503, 'service_unavailable']);
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    for (const [at, bytes] of growth.entries()) expect(bytes, pids[at]?.role).toBeLessThan(growthBytesMax);

    proxy.heal();
    const again = await sendAll(
      channel,
      refused.map(({ n }) => n),
    );
    for (const [at, { n }] of refused.entries()) acked.push({ n, seq: seqOf(again[at]?.body ?? {}) });
    const log = await wholeHistory(channel);
    expect(log.length).toBe(1 + burst);
    for (const { n, seq } of acked) expect(log[seq - 2]?.['text'], `post ${n}, seq ${seq}`).toBe(textOf(n));
    const grown = growth.map((bytes, at) => `${pids[at]?.role} +${mib(bytes)}`);
    console.info(`${burst - refused.length} of ${burst} acknowledged at once; MiB at most: ${grown.join(', ')}`);
  }, 60_000);
});

function seqOf(body: Record<string, unknown>): number {
  return Number((body['message'] as { seq?: number } | undefined)?.seq);
}

function mib(bytes: number): number {
  return Math.round(bytes / 1_024 / 1_024);
}
