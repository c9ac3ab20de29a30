/** The users and channels of a scenario, made through the API as anybody would. */
import { limits } from '../platform/limits.ts';
import { callAll, callApi, type ApiBody, type ApiCall } from './api-client.ts';
import type { Progress } from './progress.ts';
import type { Access } from './servers.ts';

export type BenchUser = { readonly id: string; readonly token: string };
export type BenchChannel = { readonly id: string; readonly token: string };

/** `count` users with a token each, that no rate limit holds back. */
export async function makeUsers(access: Access, count: number, progress: Progress): Promise<BenchUser[]> {
  const { api, admin: token, prefix, signal } = access;
  const calls = Array.from({ length: count }, (_, at) => ({
    method: 'belfry.users.create',
    token,
    fields: { name: `${prefix}-${at}` },
  }));
  const answers = await callAll(api, calls, (done) => progress.show(`making users: ${done} of ${count}`), signal);
  const users = answers.map((answer) => ({ id: idIn(answer, 'user'), token: String(answer['token']) }));
  return access.limited ? withUnlimitedTokens(access, users) : users;
}

async function withUnlimitedTokens({ api, admin }: Access, users: readonly BenchUser[]): Promise<BenchUser[]> {
  const calls = users.map(({ id }): ApiCall => {
    return { method: 'belfry.tokens.create', token: admin, fields: { user: id, unlimited: 'true' } };
  });
  const answers = await callAll(api, calls);
  return answers.map((answer, at) => ({ id: users[at]?.id ?? '', token: String(answer['token']) }));
}

/** `count` public channels, each made by (and so with the membership of) one of the users in turn. */
export async function makeChannels(
  { api, prefix, signal }: Access,
  users: readonly BenchUser[],
  count: number,
  progress: Progress,
  name = 'channel',
): Promise<BenchChannel[]> {
  const calls = Array.from({ length: count }, (_, at) => ({
    method: 'conversations.create',
    token: users[at % users.length]?.token ?? '',
    fields: { name: `${prefix}-${name}-${at}` },
  }));
  const answers = await callAll(api, calls, (done) => progress.show(`making channels: ${done} of ${count}`), signal);
  return answers.map((answer, at) => ({ id: idIn(answer, 'channel'), token: calls[at]?.token ?? '' }));
}

export async function joinAll(
  { api, signal }: Access,
  users: readonly BenchUser[],
  channel: string,
  progress: Progress,
): Promise<void> {
  const calls = users.map(({ token }) => ({ method: 'conversations.join', token, fields: { channel } }));
  await callAll(api, calls, (done) => progress.show(`joining: ${done} of ${calls.length}`), signal);
}

export type Invitation = { readonly channel: BenchChannel; readonly users: readonly BenchUser[] };

/** Each by the member whose token the channel has. */
export async function inviteAll(
  { api, signal }: Access,
  invitations: readonly Invitation[],
  progress: Progress,
): Promise<void> {
  const calls = invitations.flatMap(invitationCalls);
  await callAll(api, calls, (done) => progress.show(`inviting: ${done} of ${calls.length}`), signal);
}

function invitationCalls({ channel: { id, token }, users }: Invitation): ApiCall[] {
  const calls: ApiCall[] = [];
  for (let from = 0; from < users.length; from += limits.inviteUsersMax) {
    const ids = users.slice(from, from + limits.inviteUsersMax).map((user) => user.id);
    calls.push({ method: 'conversations.invite', token, fields: { channel: id, users: ids.join(',') } });
  }
  return calls;
}

const pageMessages = 200;

type Stored = readonly [seq: number, text: string];

/** The messages of a channel, oldest first; the newest `limit` of them. */
export async function readHistory({ api }: Access, channel: BenchChannel, limit: number): Promise<Stored[]> {
  return (await readPage(api, channel, limit, '')).messages.toReversed();
}

/** All messages of a channel, newest first. */
export async function readWholeHistory(api: string, channel: BenchChannel): Promise<Stored[]> {
  const all: Stored[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const page: Page = await readPage(api, channel, pageMessages, cursor);
    all.push(...page.messages);
    cursor = page.next;
  }
  return all;
}

type Page = { readonly messages: readonly Stored[]; readonly next: string | undefined };

async function readPage(api: string, { id, token }: BenchChannel, limit: number, cursor: string): Promise<Page> {
  const fields = { channel: id, limit: String(limit), ...(cursor === '' ? {} : { cursor }) };
  const answer = await callApi(api, { method: 'conversations.history', token, fields });
  const messages = (answer['messages'] ?? []) as { seq?: number; text?: string }[];
  const { next_cursor: next } = (answer['response_metadata'] ?? {}) as { next_cursor?: string };
  return {
    messages: messages.map(({ seq, text }) => [Number(seq), String(text)] as const),
    next: answer['has_more'] === true ? next : undefined,
  };
}

function idIn(answer: ApiBody, field: string): string {
  return String((answer[field] as { id?: unknown } | undefined)?.id);
}
