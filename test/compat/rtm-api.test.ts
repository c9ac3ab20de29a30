/** The unmodified RTM client of the dialect, through real processes: it connects, sends, receives and comes back. */
import { RTMClient } from '@slack/rtm-api';
import { WebClient } from '@slack/web-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startBelfryDev, type BelfryDev } from '../support/belfry-dev.ts';
import { quietLogger } from '../support/quiet-logger.ts';

type Frame = Record<string, unknown>;

let dev: BelfryDev;
/** One session of each for all tests: this client takes 2 s until it is ready (docs/decisions/0007). */
let alice: RTMClient;
let bob: RTMClient;

/** A started client, ready to send. */
async function connect(token: string): Promise<RTMClient> {
  const client = new RTMClient(token, { slackApiUrl: dev.file.api, logger: quietLogger() });
  const ready = nextReady(client);
  await client.start();
  await ready;
  return client;
}
const nextReady = (client: RTMClient) => new Promise<void>((resolve) => client.once('ready', () => resolve()));
/** The first event of this kind that satisfies the condition. */
function eventOf(client: RTMClient, kind: string, accept: (frame: Frame) => boolean): Promise<Frame> {
  return new Promise((resolve) => {
    const listen = (frame: Frame) => {
      if (!accept(frame)) return;
      client.off(kind, listen);
      resolve(frame);
    };
    client.on(kind, listen);
  });
}
const token = (place: number) => dev.file.users[place]?.token ?? '';
const userId = (place: number) => dev.file.users[place]?.id ?? '';
const general = () => dev.file.channels[0]?.id ?? '';
const web = (place: number) => new WebClient(token(place), { slackApiUrl: dev.file.api, logger: quietLogger() });

beforeAll(async () => {
  dev = await startBelfryDev({});
  [alice, bob] = await Promise.all([connect(token(0)), connect(token(1))]);
}, 60_000);
afterAll(async () => {
  await Promise.all([alice, bob].map((client) => client?.disconnect()));
  await dev?.stop();
});

describe('@slack/rtm-api', () => {
  test('receives what another user posts over HTTP, in order', async () => {
    const texts = Array.from({ length: 20 }, (_, i) => `ordered ${i}`);
    const seen: Frame[] = [];
    const last = eventOf(bob, 'message', (frame) => {
      if (String(frame['text']).startsWith('ordered')) seen.push(frame);
      return frame['text'] === texts.at(-1);
    });
    for (const text of texts) await web(0).chat.postMessage({ channel: general(), text });
    await last;
    expect(seen.map((frame) => frame['text'])).toEqual(texts);
    const seqs = seen.map((frame) => frame['seq'] as number);
    expect(seqs).toEqual(seqs.map((_, i) => (seqs[0] ?? 0) + i));
    expect(seen[0]).toMatchObject({ type: 'message', channel: general(), user: userId(0) });
  });

  test('sends, and its own socket gets the acknowledgement in place of the event', async () => {
    const own: Frame[] = [];
    alice.on('message', (frame: Frame) => own.push(frame));
    const arrived = eventOf(bob, 'message', (frame) => frame['text'] === 'over the socket');
    const ack = (await alice.sendMessage('over the socket', general())) as unknown as Frame;
    expect((await arrived)['ts']).toBe(ack['ts']);
    const after = eventOf(alice, 'message', (frame) => frame['text'] === 'afterwards');
    await web(1).chat.postMessage({ channel: general(), text: 'afterwards' });
    await after;
    expect(own.map((frame) => frame['text'])).not.toContain('over the socket');
  });

  test('is told why a message is refused', async () => {
    await expect(alice.sendMessage('', general())).rejects.toThrow(/message text is missing/);
    await expect(alice.sendMessage('x', 'CNOSUCH0001')).rejects.toThrow(/channel_not_found/);
  });

  test('sees typing and the presence of those it asks for', async () => {
    const typing = eventOf(bob, 'user_typing', (frame) => frame['user'] === userId(0));
    await alice.sendTyping(general());
    expect(await typing).toMatchObject({ channel: general() });
    const presence = eventOf(bob, 'presence_change', (frame) => frame['presence'] === 'active');
    await bob.subscribePresence([userId(0)]);
    expect((await presence)['user'] ?? (await presence)['users']).toEqual(expect.anything());
    const away = eventOf(bob, 'presence_change', (frame) => frame['presence'] === 'away');
    await web(0).users.setPresence({ presence: 'away' });
    await away;
    const back = eventOf(bob, 'presence_change', (frame) => frame['presence'] === 'active');
    await web(0).users.setPresence({ presence: 'auto' });
    await back;
  });

  test('hears a channel from the moment its user joins it', async () => {
    const { channel } = await web(0).conversations.create({ name: `late-${Date.now()}` });
    const id = channel?.id ?? '';
    const joined = eventOf(bob, 'channel_joined', (frame) => (frame['channel'] as Frame)['id'] === id);
    await web(0).conversations.invite({ channel: id, users: userId(1) });
    await joined;
    const heard = eventOf(bob, 'message', (frame) => frame['channel'] === id);
    await web(0).chat.postMessage({ channel: id, text: 'welcome' });
    expect((await heard)['text']).toBe('welcome');
  });

  test('comes back by itself when its gateway is killed', async () => {
    const gateway = dev.file.processes.find((process) => process.role === 'gateway');
    const back = nextReady(bob);
    process.kill(gateway?.pid ?? 0, 'SIGKILL');
    await back;
    const heard = eventOf(bob, 'message', (frame) => frame['text'] === 'still here');
    await web(0).chat.postMessage({ channel: general(), text: 'still here' });
    await heard;
  }, 60_000);
});
