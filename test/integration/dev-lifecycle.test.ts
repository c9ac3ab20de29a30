/** How `belfry dev` ends, cleanly and not, and what it finds again when it starts on the same data. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isAlive } from '../../bin/process-identity.ts';
import { api, callApi } from '../support/api.ts';
import { startBelfryDev, type BelfryDev } from '../support/belfry-dev.ts';
import { RtmSocket } from '../support/rtm-socket.ts';
import { until } from '../support/until.ts';

let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'belfry-lifecycle-'));
});
afterAll(async () => {
  await rm(data, { recursive: true, force: true });
});

const workspaceOf = ({ file: { team, admin, users, bot, channels } }: BelfryDev) => ({
  team,
  admin,
  users,
  bot,
  channels,
});
const texts = async ({ file }: BelfryDev) => {
  const page = await api(file.api, 'conversations.history', file.users[1]?.token ?? '', {
    channel: file.channels[0]?.id,
  });
  return (page['messages'] as { text: string }[]).map((message) => message.text);
};
const post = ({ file }: BelfryDev, text: string) =>
  api(file.api, 'chat.postMessage', file.users[0]?.token ?? '', { channel: file.channels[0]?.id ?? '', text });

/** What users see of everything that is kept, asked for anew. */
async function everythingSeen(dev: BelfryDev, made: Made): Promise<readonly Record<string, unknown>[]> {
  const base = dev.file.api;
  const ask = async (method: string, token: string, args: Record<string, string> = {}) => {
    const { status, body } = await callApi(base, method, token, args);
    // The team's URL has this start's port.
    const { url: _, cache_ts: __, ...rest } = body as Record<string, unknown>;
    return { status, ...rest };
  };
  const ada = dev.file.users[0]?.token ?? '';
  const channels = [dev.file.channels[0]?.id ?? '', made.secret, made.direct, made.archived];
  return Promise.all([
    ...channels.flatMap((channel) => [
      ask('conversations.history', ada, { channel }),
      ask('conversations.info', ada, { channel }),
      ask('conversations.members', ada, { channel }),
    ]),
    ask('users.conversations', ada, { types: 'public_channel,private_channel,im' }),
    ask('users.list', ada),
    ask('conversations.history', made.userToken, { channel: made.secret }),
    ask('conversations.history', dev.file.users[1]?.token ?? '', { channel: made.secret }),
    ask('auth.test', made.revoked),
    // Repeated under its id it is the message that was, not another one.
    ask('chat.postMessage', ada, { channel: made.secret, text: 'kept', client_msg_id: made.postId }),
  ]);
}

type Made = {
  readonly userToken: string;
  readonly revoked: string;
  readonly secret: string;
  readonly direct: string;
  readonly archived: string;
  readonly postId: string;
};

/** One of each thing that has to outlive a stop. */
async function makeEverything(dev: BelfryDev): Promise<Made> {
  const base = dev.file.api;
  const { admin } = dev.file;
  const ada = dev.file.users[0]?.token ?? '';
  const idOf = (answer: Record<string, unknown>, what: string) => (answer[what] as { id: string }).id;
  const carol = await api(base, 'belfry.users.create', admin, { name: 'carol', email: 'carol@example.org' });
  const mallory = await api(base, 'belfry.users.create', admin, { name: 'mallory' });
  await api(base, 'belfry.tokens.revoke', admin, { token: mallory['token'] });
  const made = {
    userToken: String(carol['token']),
    revoked: String(mallory['token']),
    secret: idOf(await api(base, 'conversations.create', ada, { name: 'secret', is_private: true }), 'channel'),
    direct: idOf(await api(base, 'conversations.open', ada, { users: idOf(carol, 'user') }), 'channel'),
    archived: idOf(await api(base, 'conversations.create', ada, { name: 'old' }), 'channel'),
    postId: randomUUID(),
  };
  await api(base, 'conversations.invite', ada, { channel: made.secret, users: idOf(carol, 'user') });
  const kept = { channel: made.secret, text: 'kept', client_msg_id: made.postId };
  await api(base, 'chat.postMessage', ada, kept);
  await api(base, 'chat.postMessage', made.userToken, { channel: made.direct, text: 'psst' });
  await api(base, 'chat.postMessage', ada, { channel: made.archived, text: 'the last word' });
  await api(base, 'conversations.archive', ada, { channel: made.archived });
  return made;
}

it('keeps all that was made, and where each client stood, over a stop', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-all-'));
  const first = await startBelfryDev({ data: folder });
  const made = await makeEverything(first);
  const socket = await RtmSocket.connect(first.file.api, made.userToken, {});
  await api(first.file.api, 'chat.postMessage', first.file.users[0]?.token ?? '', {
    channel: made.secret,
    text: 'heard',
  });
  const heard = await socket.frame((frame) => frame['text'] === 'heard');
  socket.close();
  await api(first.file.api, 'chat.postMessage', first.file.users[0]?.token ?? '', {
    channel: made.secret,
    text: 'missed',
  });
  const before = await everythingSeen(first, made);
  expect(before.flatMap(({ error }) => error ?? [])).toEqual(['channel_not_found', 'token_revoked']);
  expect(await first.stop()).toBe(0);

  const second = await startBelfryDev({ data: folder });
  expect(await everythingSeen(second, made)).toEqual(before);
  const back = await RtmSocket.connect(second.file.api, made.userToken, { [made.secret]: Number(heard['seq']) });
  await back.frame((frame) => frame['text'] === 'missed');
  expect(back.messages(made.secret).map(({ text, seq }) => [text, seq])).toEqual([
    ['missed', Number(heard['seq']) + 1],
  ]);
  back.close();
  await second.stop();
  await rm(folder, { recursive: true, force: true });
}, 120_000);

it('keeps messages and tokens over a stop, and processes never outlive it', async () => {
  const first = await startBelfryDev({ data });
  await post(first, 'before the stop');
  const workspace = workspaceOf(first);
  // A terminal and npm both deliver Ctrl-C: the second within a moment is the same request.
  first.run.child.kill('SIGINT');
  expect(await first.stop('SIGINT')).toBe(0);
  expect(existsSync(join(data, 'dev.json'))).toBe(false);

  const second = await startBelfryDev({ data });
  expect(workspaceOf(second)).toEqual(workspace);
  expect(await texts(second)).toEqual(['before the stop']);
  await post(second, 'before the kill');
  const processes = second.processes();
  second.run.child.kill('SIGKILL');
  await until('every process to end with its supervisor', () => !processes.some(isAlive), 10_000);

  const third = await startBelfryDev({ data });
  expect(workspaceOf(third)).toEqual(workspace);
  expect(await texts(third)).toEqual(['before the kill', 'before the stop']);
  expect(await third.stop('SIGTERM')).toBe(0);
}, 120_000);
