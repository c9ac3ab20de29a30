/** The journey of a message through real processes and a real nats-server: order, exactly once, nothing missing (G1-G5). */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, callApi } from '../support/api.ts';
import type { CliRun } from '../support/belfry-cli.ts';
import { startBelfryDev, type BelfryDev } from '../support/belfry-dev.ts';
import { natsPortOf, spawnRoleBeside } from '../support/role-beside.ts';
import { RtmSocket, type Frame } from '../support/rtm-socket.ts';
import { until } from '../support/until.ts';

let dev: BelfryDev;
const base = () => dev.file.api;
const token = (place: number) => dev.file.users[place]?.token ?? '';
const userId = (place: number) => dev.file.users[place]?.id ?? '';

async function newChannel(): Promise<string> {
  const { channel } = await api(base(), 'conversations.create', token(0), { name: `t-${randomUUID().slice(0, 13)}` });
  const id = (channel as { id: string }).id;
  await api(base(), 'conversations.invite', token(0), { channel: id, users: userId(1) });
  return id;
}
/** Everything in the channel, oldest first. */
async function wholeHistory(channel: string): Promise<Frame[]> {
  const messages: Frame[] = [];
  let cursor = '';
  do {
    const page = await api(base(), 'conversations.history', token(0), { channel, limit: 200, cursor });
    messages.push(...(page['messages'] as Frame[]));
    cursor = (page['response_metadata'] as { next_cursor?: string } | undefined)?.next_cursor ?? '';
  } while (cursor !== '');
  return messages.reverse();
}
const texts = (frames: readonly Frame[]) => frames.map((frame) => frame['text']);
const seqs = (frames: readonly Frame[]) => frames.map((frame) => frame['seq'] as number);

beforeAll(async () => {
  dev = await startBelfryDev({ workers: 2 });
}, 60_000);
afterAll(async () => {
  await dev?.stop();
});

describe('fifty posters to one channel', () => {
  test('everyone sees one order, each message once, without a gap', async () => {
    const channel = await newChannel();
    const [first, second] = await Promise.all([
      RtmSocket.connect(base(), token(0)),
      RtmSocket.connect(base(), token(1)),
    ]);
    const posters = 50;
    const each = 10;
    const acked: { ts: string; text: string }[] = [];
    const post = async (poster: number) => {
      for (let i = 0; i < each; i++) {
        const text = `${poster}/${i}`;
        const args = { channel, text, client_msg_id: randomUUID() };
        // Each is sent twice at once: a retry must not show.
        const [one, two] = await Promise.all([
          api(base(), 'chat.postMessage', token(poster % 2), args),
          api(base(), 'chat.postMessage', token(poster % 2), args),
        ]);
        expect(two['ts']).toBe(one['ts']);
        acked.push({ ts: String(one['ts']), text });
      }
    };
    await Promise.all(Array.from({ length: posters }, (_, poster) => post(poster)));
    const enough = (socket: RtmSocket) => () => socket.messages(channel).length >= posters * each;
    await Promise.all([first, second].map((socket) => socket.frame(enough(socket))));

    const log = await wholeHistory(channel);
    expect(texts(log)).toHaveLength(posters * each);
    expect(new Set(texts(log)).size).toBe(posters * each);
    expect(seqs(log)).toEqual(seqs(log).map((_, i) => (seqs(log)[0] ?? 0) + i));
    for (const socket of [first, second]) {
      expect(texts(socket.messages(channel))).toEqual(texts(log));
      expect(seqs(socket.messages(channel))).toEqual(seqs(log));
    }
    expect(acked.sort((a, b) => (a.ts < b.ts ? -1 : 1)).map((post) => post.text)).toEqual(texts(log));
    for (let poster = 0; poster < posters; poster++) {
      const own = texts(log).filter((text) => String(text).startsWith(`${poster}/`));
      expect(own).toEqual(Array.from({ length: each }, (_, i) => `${poster}/${i}`));
    }
    first.close();
    second.close();
  });
});

describe('a client that was away', () => {
  test('resumes from its last seq and gets what it missed before what is live', async () => {
    const channel = await newChannel();
    const socket = await RtmSocket.connect(base(), token(1), {});
    await api(base(), 'chat.postMessage', token(0), { channel, text: 'before' });
    const before = await socket.frame((frame) => frame['text'] === 'before');
    const cursor = Number(before['seq']);
    socket.cut();
    await socket.closed;
    for (let i = 0; i < 30; i++) await api(base(), 'chat.postMessage', token(0), { channel, text: `missed ${i}` });
    const again = await RtmSocket.connect(base(), token(1), { [channel]: cursor });
    await api(base(), 'chat.postMessage', token(0), { channel, text: 'live' });
    await again.frame((frame) => frame['text'] === 'live');
    expect(texts(again.messages(channel))).toEqual([...Array.from({ length: 30 }, (_, i) => `missed ${i}`), 'live']);
    expect(seqs(again.messages(channel))).toEqual(Array.from({ length: 31 }, (_, i) => cursor + 1 + i));
    again.close();
  });

  test('is told to reload when it claims to have seen more than there is', async () => {
    const channel = await newChannel();
    const socket = await RtmSocket.connect(base(), token(1), { [channel]: 1_000_000 });
    expect(await socket.frame((frame) => frame.type === 'resync')).toMatchObject({ channel, from: 1_000_000 });
    socket.close();
  });
});

describe('a client that goes to another region', () => {
  const roles: CliRun[] = [];
  afterAll(() => {
    for (const { child } of roles) child.kill('SIGKILL');
  });

  /** A gateway and a webapp of their own; gives the webapp's base URL and the gateway's port. */
  async function openRegion(region: string): Promise<{ readonly api: string; readonly gatewayPort: number }> {
    const start = async (role: 'gateway' | 'webapp') => {
      const flags = ['--id', `${role}-${region}`, '--region', region, '--port', '0'];
      const run = spawnRoleBeside(dev, role, natsPortOf(dev), flags);
      roles.push(run);
      const line = await until(`the ${role} of ${region}`, () => /^\{"ready":.*\}$/m.exec(run.stdout())?.[0]);
      return (JSON.parse(line) as { ready: { port: number } }).ready.port;
    };
    const [gatewayPort, port] = await Promise.all([start('gateway'), start('webapp')]);
    return { api: `http://127.0.0.1:${port}/api/`, gatewayPort };
  }

  test('resumes there and, on its way back, here: each time exactly what it missed, then what is live', async () => {
    const channel = await newChannel();
    const far = await openRegion('far-east');
    await until('the region to have its gateway', async () => {
      // The new webapp may not have heard of a gateway yet, or only of the other region's.
      const { url } = (await callApi(far.api, 'rtm.connect', token(1))).body;
      return typeof url === 'string' && new URL(url).port === String(far.gatewayPort);
    });
    const say = (place: string, text: string) => api(place, 'chat.postMessage', token(0), { channel, text });
    const heard: Frame[] = [];
    const { message } = await say(base(), 'before');
    let seen = Number((message as Frame)['seq']);
    for (const [at, [from, to]] of [
      [base(), far.api],
      [far.api, base()],
    ].entries()) {
      for (let i = 0; i < 20; i++) await say(from ?? '', `missed ${at}/${i}`);
      const socket = await RtmSocket.connect(to ?? '', token(1), { [channel]: seen });
      await say(from ?? '', `live ${at}`);
      await socket.frame((frame) => frame['text'] === `live ${at}`);
      heard.push(...socket.messages(channel));
      seen = Math.max(...seqs(heard));
      socket.cut();
      await socket.closed;
    }
    const log = await wholeHistory(channel);
    expect(texts(heard)).toEqual(texts(log.slice(1)));
    expect(seqs(heard)).toEqual(seqs(log.slice(1)));
    expect(heard).toHaveLength(42);
  });
});

describe('history', () => {
  test('any page of a long channel, from either end and by time', async () => {
    const channel = await newChannel();
    const count = 1_000;
    let next = 0;
    const post = async () => {
      for (let i = next++; i < count; i = next++)
        await api(base(), 'chat.postMessage', token(0), { channel, text: `n${i}` });
    };
    await Promise.all(Array.from({ length: 20 }, post));
    const log = await wholeHistory(channel);
    expect(log).toHaveLength(count);
    for (const at of [0, 1, 63, 64, 500, 998, 999]) {
      const one = log[at] as Frame;
      const page = await api(base(), 'conversations.history', token(0), {
        channel,
        latest: String(one['ts']),
        inclusive: '1',
        limit: '5',
      });
      expect(texts(page['messages'] as Frame[])).toEqual(texts(log.slice(Math.max(0, at - 4), at + 1).reverse()));
      const exact = await api(base(), 'conversations.history', token(0), {
        channel,
        oldest: String(one['ts']),
        latest: String(one['ts']),
        inclusive: '1',
      });
      expect(texts(exact['messages'] as Frame[])).toEqual([one['text']]);
    }
  }, 60_000);
});

describe('permission', () => {
  test('who leaves a channel hears no more of it, and cannot post or resume there', async () => {
    const channel = await newChannel();
    const bob = await RtmSocket.connect(base(), token(1));
    const watcher = await RtmSocket.connect(base(), token(0));
    await api(base(), 'conversations.leave', token(1), { channel });
    await bob.frame((frame) => frame.type === 'member_left_channel' && frame['channel'] === channel);
    await api(base(), 'chat.postMessage', token(0), { channel, text: 'secret' });
    await watcher.frame((frame) => frame['text'] === 'secret');
    const general = dev.file.channels[0]?.id ?? '';
    await api(base(), 'chat.postMessage', token(0), { channel: general, text: 'marker' });
    await bob.frame((frame) => frame['text'] === 'marker');
    expect(texts(bob.messages(channel))).not.toContain('secret');
    expect((await callApi(base(), 'chat.postMessage', token(1), { channel, text: 'x' })).body.error).toBe(
      'not_in_channel',
    );
    const resumed = await RtmSocket.connect(base(), token(1), { [channel]: 0 });
    expect(resumed.messages(channel)).toEqual([]);
    for (const socket of [bob, watcher, resumed]) socket.close();
  });
});
