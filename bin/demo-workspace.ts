/**
 * The demo workspace of `belfry dev`: users alice and bob, channel #general, one bot. Made once, through the API like
 * anybody would; what a try that was cut short left behind is found and used.
 */
import type { Clock } from '../platform/clock.ts';
import { callPatiently, must, type ApiBody, type ApiTarget } from './api-client.ts';
import type { Workspace } from './dev-file.ts';

const userNames = ['alice', 'bob'] as const;
const channelName = 'general';
const botName = 'belfry-bot';

/** @throws CommandFailure */
export async function makeDemoWorkspace(api: string, admin: string, clock: Clock): Promise<Workspace> {
  const root = new Maker({ api, token: admin }, clock);
  const users = [];
  for (const name of userNames) users.push(await root.user(name));
  const bot = await root.bot();
  const [alice, ...others] = users;
  const first = new Maker({ api, token: alice?.token ?? '' }, clock);
  const team = String((await first.call('auth.test'))['team_id']);
  const channel = await first.channel();
  await first.invite(channel.id, [...others.map((user) => user.id), bot.userId]);
  return { team, admin, users, bot, channels: [channel] };
}

type User = Workspace['users'][number];

class Maker {
  readonly #target: ApiTarget;
  readonly #clock: Clock;

  constructor(target: ApiTarget, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
  }

  async call(method: string, args: ApiBody = {}): Promise<ApiBody> {
    return must(this.#target, method, await callPatiently(this.#target, method, args, this.#clock));
  }

  async user(name: string): Promise<User> {
    const args = { name, real_name: name.charAt(0).toUpperCase() + name.slice(1) };
    const outcome = await callPatiently(this.#target, 'belfry.users.create', args, this.#clock);
    if (outcome.kind === 'refused' && outcome.error === 'name_taken') return this.#presentUser(name);
    const body = must(this.#target, 'belfry.users.create', outcome);
    return { id: (body['user'] as User).id, name, token: String(body['token']) };
  }

  /** A new token for a user that is there: the one it had first is lost. */
  async #presentUser(name: string): Promise<User> {
    const { members } = (await this.call('users.list')) as { members?: User[] };
    const id = members?.find((user) => user.name === name)?.id ?? '';
    const { token } = await this.call('belfry.tokens.create', { user: id });
    return { id, name, token: String(token) };
  }

  async bot(): Promise<Workspace['bot']> {
    const app = await this.call('belfry.apps.create', { name: botName });
    return {
      id: String(app['bot_id']),
      userId: String(app['bot_user_id'] ?? app['user_id']),
      appId: String(app['app_id']),
      token: String(app['bot_token']),
      appToken: String(app['app_token']),
      signingSecret: String(app['signing_secret']),
    };
  }

  async channel(): Promise<Workspace['channels'][number]> {
    const outcome = await callPatiently(this.#target, 'conversations.create', { name: channelName }, this.#clock);
    if (outcome.kind === 'refused' && outcome.error === 'name_taken') return this.#presentChannel();
    const channel = must(this.#target, 'conversations.create', outcome)['channel'] as { id: string };
    return { id: channel.id, name: channelName };
  }

  async #presentChannel(): Promise<Workspace['channels'][number]> {
    const { channels } = (await this.call('conversations.list', { limit: 100 })) as {
      channels?: { id: string; name: string }[];
    };
    const id = channels?.find((channel) => channel.name === channelName)?.id ?? '';
    await this.call('conversations.join', { channel: id });
    return { id, name: channelName };
  }

  async invite(channel: string, users: readonly string[]): Promise<void> {
    const outcome = await callPatiently(
      this.#target,
      'conversations.invite',
      { channel, users: users.join(','), force: true },
      this.#clock,
    );
    const done = outcome.kind === 'refused' && outcome.error === 'already_in_channel';
    if (!done) must(this.#target, 'conversations.invite', outcome);
  }
}
