/** The unmodified HTTP client of the dialect, through real processes: what people do first with it works unchanged. */
import { randomUUID } from 'node:crypto';
import { WebClient, type WebClientOptions } from '@slack/web-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api } from '../support/api.ts';
import { startBelfryDev, type BelfryDev } from '../support/belfry-dev.ts';
import { quietLogger } from '../support/quiet-logger.ts';
import { RtmSocket } from '../support/rtm-socket.ts';
import { until } from '../support/until.ts';

let dev: BelfryDev;
let alice: WebClient;
let bob: WebClient;
let bot: WebClient;

const quiet: WebClientOptions = { logger: quietLogger(), retryConfig: { retries: 1 } };
function client(token: string): WebClient {
  return new WebClient(token, { ...quiet, slackApiUrl: dev.file.api });
}
/** The platform error's code of a call that has to fail. */
async function errorOf(call: Promise<unknown>): Promise<string> {
  const failure = (await call.then(
    () => undefined,
    (error: unknown) => error,
  )) as { data?: { error?: string } } | undefined;
  return failure?.data?.error ?? 'no error';
}
async function newUser(name: string, more: { readonly email?: string } = {}) {
  const args = { name: uniqueName(name), ...more };
  const { user, token } = await api(dev.file.api, 'belfry.users.create', dev.file.admin, args);
  return { id: (user as { id: string }).id, token: String(token), web: client(String(token)) };
}
const uniqueName = (prefix: string) => `${prefix}-${randomUUID().slice(0, 8)}`;

beforeAll(async () => {
  dev = await startBelfryDev({});
  const [first, second] = dev.file.users;
  if (first === undefined || second === undefined) throw new Error('the demo workspace has two users');
  alice = client(first.token);
  bob = client(second.token);
  bot = client(dev.file.bot.token);
}, 60_000);
afterAll(async () => {
  await dev?.stop();
});

describe('@slack/web-api', () => {
  test('says who a token is', async () => {
    const user = await alice.auth.test();
    expect(user).toMatchObject({ ok: true, user_id: dev.file.users[0]?.id, team_id: dev.file.team });
    expect(user.url).toMatch(/\/$/);
    expect(await bot.auth.test()).toMatchObject({ user_id: dev.file.bot.userId, bot_id: dev.file.bot.id });
    expect(await errorOf(client('xoxp-nobody').auth.test())).toBe('invalid_auth');
    expect(await errorOf(new WebClient(undefined, { ...quiet, slackApiUrl: dev.file.api }).auth.test())).toBe(
      'not_authed',
    );
    expect(await errorOf(alice.apiCall('no.such.method'))).toBe('unknown_method');
  });

  test('makes a channel, posts in it, and reads the history back newest first', async () => {
    const { channel } = await alice.conversations.create({ name: uniqueName('plans') });
    const id = channel?.id ?? '';
    expect(channel).toMatchObject({
      is_channel: true,
      is_private: false,
      is_member: true,
      creator: dev.file.users[0]?.id,
    });
    const posted = [];
    for (const text of ['one', 'two', 'three']) posted.push(await alice.chat.postMessage({ channel: id, text }));
    const { messages, has_more: more } = await alice.conversations.history({ channel: id });
    expect(messages?.map((message) => message.text)).toEqual(['three', 'two', 'one']);
    expect(messages?.map((message) => message.ts)).toEqual(posted.map((post) => post.ts).reverse());
    expect(more).toBe(false);
  });

  test('pages through history, members and users with its own paginator', async () => {
    const { channel } = await alice.conversations.create({ name: uniqueName('pages') });
    const id = channel?.id ?? '';
    await Promise.all(Array.from({ length: 25 }, (_, i) => alice.chat.postMessage({ channel: id, text: `m${i}` })));
    const seen: string[] = [];
    for await (const page of alice.paginate('conversations.history', { channel: id, limit: 10 })) {
      for (const message of (page as unknown as { messages: { ts: string }[] }).messages) seen.push(message.ts);
    }
    expect(seen).toHaveLength(25);
    expect([...seen].sort().reverse()).toEqual(seen);

    const users: string[] = [];
    for await (const page of alice.paginate('users.list', { limit: 1 })) {
      for (const member of (page as unknown as { members: { id: string }[] }).members) users.push(member.id);
    }
    expect(users).toEqual(expect.arrayContaining(dev.file.users.map((user) => user.id)));
    expect(new Set(users).size).toBe(users.length);
  });

  test('invites, lists, kicks and leaves', async () => {
    const { channel } = await alice.conversations.create({ name: uniqueName('door'), is_private: true });
    const id = channel?.id ?? '';
    const bobId = dev.file.users[1]?.id ?? '';
    expect(await errorOf(bob.conversations.info({ channel: id }))).toBe('channel_not_found');
    expect(await errorOf(bob.chat.postMessage({ channel: id, text: 'let me in' }))).toBe('channel_not_found');
    await alice.conversations.invite({ channel: id, users: bobId });
    expect((await bob.conversations.members({ channel: id })).members).toEqual(expect.arrayContaining([bobId]));
    const mine = await bob.users.conversations({ types: 'private_channel' });
    expect(mine.channels?.map((one) => one.id)).toContain(id);
    await alice.conversations.kick({ channel: id, user: bobId });
    expect(await errorOf(bob.conversations.history({ channel: id }))).toBe('channel_not_found');
    expect((await bob.users.conversations({ types: 'private_channel' })).channels?.map((one) => one.id)).not.toContain(
      id,
    );
  });

  test('joins a public channel once, and a second time with a warning', async () => {
    const { channel } = await alice.conversations.create({ name: uniqueName('open') });
    const id = channel?.id ?? '';
    expect(await errorOf(bob.chat.postMessage({ channel: id, text: 'hi' }))).toBe('not_in_channel');
    expect((await bob.conversations.join({ channel: id })).channel?.is_member).toBe(true);
    expect((await bob.conversations.join({ channel: id })).warning).toBe('already_in_channel');
    expect((await bob.chat.postMessage({ channel: id, text: 'hi' })).ok).toBe(true);
  });

  test('opens a direct conversation to the same place from both sides', async () => {
    const [first, second] = dev.file.users;
    const there = await alice.conversations.open({ users: second?.id ?? '' });
    const here = await bob.conversations.open({ users: first?.id ?? '', return_im: true });
    expect(there.channel?.id).toMatch(/^D/);
    expect(here.channel?.id).toBe(there.channel?.id);
    const direct = await alice.chat.postMessage({ channel: second?.id ?? '', text: 'psst' });
    expect(direct.channel).toBe(there.channel?.id);
  });

  test('a post repeated with its client_msg_id is one message', async () => {
    const channel = dev.file.channels[0]?.id ?? '';
    const once = { channel, text: 'only once', client_msg_id: randomUUID() };
    const answers = await Promise.all(Array.from({ length: 5 }, () => alice.chat.postMessage(once)));
    expect(new Set(answers.map((answer) => answer.ts)).size).toBe(1);
    const { messages } = await alice.conversations.history({ channel });
    expect(messages?.filter((message) => message.text === 'only once')).toHaveLength(1);
    const other = await bob.chat.postMessage(once);
    expect(other.ts).not.toBe(answers[0]?.ts);
  });

  test("a bot's message says so", async () => {
    const channel = dev.file.channels[0]?.id ?? '';
    const { message } = await bot.chat.postMessage({ channel, text: 'beep' });
    expect(message).toMatchObject({ bot_id: dev.file.bot.id, app_id: dev.file.bot.appId, user: dev.file.bot.userId });
    const info = await alice.bots.info({ bot: dev.file.bot.id });
    expect(info.bot).toMatchObject({ id: dev.file.bot.id, user_id: dev.file.bot.userId });
  });

  test('refuses what is no message, and keeps what is rich', async () => {
    const channel = dev.file.channels[0]?.id ?? '';
    expect(await errorOf(alice.chat.postMessage({ channel, text: '' }))).toBe('no_text');
    expect(await errorOf(alice.chat.postMessage({ channel, text: 'x'.repeat(40_001) }))).toBe('msg_too_long');
    expect(await errorOf(alice.chat.postMessage({ channel: 'CNOSUCH0001', text: 'x' }))).toBe('channel_not_found');
    const blocks = [{ type: 'section', text: { type: 'mrkdwn', text: '*bold*' } }];
    const { message } = await alice.chat.postMessage({ channel, text: 'rich', blocks });
    expect(message?.blocks).toEqual(blocks);
    expect((await alice.chat.postMessage({ channel: '#general', text: 'x'.repeat(40_000) })).ok).toBe(true);
  });

  test('opens a conversation of three, private to them', async () => {
    const carol = await newUser('carol');
    const [first, second] = dev.file.users;
    const others = `${second?.id ?? ''},${carol.id}`;
    const { channel } = await alice.conversations.open({ users: others, return_im: true });
    const id = channel?.id ?? '';
    expect(channel).toMatchObject({ is_mpim: true, is_private: true });
    const again = await carol.web.conversations.open({ users: `${first?.id ?? ''},${second?.id ?? ''}` });
    expect(again.channel?.id).toBe(id);
    await alice.chat.postMessage({ channel: id, text: 'the three of us' });
    const { messages } = await carol.web.conversations.history({ channel: id });
    expect(messages?.map((message) => message.text)).toEqual(['the three of us']);
    expect((await bob.users.conversations({ types: 'mpim' })).channels?.map((one) => one.id)).toContain(id);
    const stranger = await newUser('mallory');
    expect(await errorOf(stranger.web.conversations.history({ channel: id }))).toBe('channel_not_found');
  });

  test('archives a channel, which then takes no post, and brings it back', async () => {
    const { channel } = await alice.conversations.create({ name: uniqueName('old') });
    const id = channel?.id ?? '';
    await alice.chat.postMessage({ channel: id, text: 'before' });
    await alice.conversations.archive({ channel: id });
    expect(await errorOf(alice.chat.postMessage({ channel: id, text: 'too late' }))).toBe('is_archived');
    expect(await errorOf(alice.conversations.archive({ channel: id }))).toBe('already_archived');
    expect((await alice.conversations.info({ channel: id })).channel?.is_archived).toBe(true);
    await alice.conversations.unarchive({ channel: id });
    expect((await alice.chat.postMessage({ channel: id, text: 'after' })).ok).toBe(true);
    const { messages } = await alice.conversations.history({ channel: id });
    const texts = messages?.filter((message) => message.subtype === undefined).map((message) => message.text);
    expect(texts).toEqual(['after', 'before']);
  });

  test('finds people by id and by e-mail, and says whether they are there', async () => {
    const email = `${uniqueName('dave')}@example.org`;
    const dave = await newUser('dave', { email });
    expect((await alice.users.lookupByEmail({ email })).user).toMatchObject({ id: dave.id, profile: { email } });
    expect(await errorOf(alice.users.lookupByEmail({ email: 'nobody@example.org' }))).toBe('users_not_found');
    expect((await alice.users.info({ user: dave.id })).user?.id).toBe(dave.id);
    expect(await alice.users.getPresence({ user: dave.id })).toMatchObject({ ok: true, presence: 'away' });
    const { url } = (await dave.web.apiCall('rtm.start')) as { url?: string };
    const socket = new RtmSocket(String(url));
    await socket.frame((frame) => frame.type === 'hello');
    await until('dave to be there', async () => {
      const { presence } = await alice.users.getPresence({ user: dave.id });
      return presence === 'active';
    });
    await dave.web.users.setPresence({ presence: 'away' });
    const own = await dave.web.users.getPresence({ user: dave.id });
    expect(own).toMatchObject({ presence: 'away', manual_away: true, connection_count: 1 });
    socket.close();
  });

  test('echoes, and tells of its team', async () => {
    expect(await alice.apiCall('api.test', { foo: 'bar' })).toMatchObject({ ok: true, args: { foo: 'bar' } });
    expect(await errorOf(alice.api.test({ error: 'my_error' }))).toBe('my_error');
    expect((await alice.team.info()).team).toMatchObject({ id: dev.file.team });
  });

  test('a revoked token is refused, and its live session ends for good', async () => {
    const erin = await newUser('erin');
    const socket = await RtmSocket.connect(dev.file.api, erin.token);
    await api(dev.file.api, 'belfry.tokens.revoke', dev.file.admin, { token: erin.token });
    expect(await socket.closed).toBe(4200);
    expect(await errorOf(erin.web.auth.test())).toBe('token_revoked');
    expect(await errorOf(erin.web.rtm.connect())).toBe('token_revoked');
  });
});
