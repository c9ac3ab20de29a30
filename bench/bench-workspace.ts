/** The users and channels of a scenario, made through the API as anybody would. */
import type { DevFile } from './dev-file.ts';
import { callAll, callApi, type ApiBody } from './api-client.ts';
import type { Progress } from './progress.ts';

export type BenchUser = { readonly id: string; readonly token: string };
export type BenchChannel = { readonly id: string; readonly token: string };

type Target = Pick<DevFile, 'api' | 'admin'>;

/** `count` users with a token each. Names are new in every workspace of the harness's own. */
export async function makeUsers({ api, admin }: Target, count: number, progress: Progress): Promise<BenchUser[]> {
  const calls = Array.from({ length: count }, (_, at) => ({
    method: 'belfry.users.create',
    token: admin,
    fields: { name: `load-${at}` },
  }));
  const answers = await callAll(api, calls, (done) => progress.show(`making users: ${done} of ${count}`));
  return answers.map((answer) => ({ id: idIn(answer, 'user'), token: String(answer['token']) }));
}

/** `count` public channels, each made by (and so with the membership of) one of the users in turn. */
export async function makeChannels(
  { api }: Target,
  users: readonly BenchUser[],
  count: number,
  progress: Progress,
): Promise<BenchChannel[]> {
  const calls = Array.from({ length: count }, (_, at) => ({
    method: 'conversations.create',
    token: users[at % users.length]?.token ?? '',
    fields: { name: `load-${at}` },
  }));
  const answers = await callAll(api, calls, (done) => progress.show(`making channels: ${done} of ${count}`));
  return answers.map((answer, at) => ({ id: idIn(answer, 'channel'), token: calls[at]?.token ?? '' }));
}

export async function joinAll(
  { api }: Target,
  users: readonly BenchUser[],
  channel: string,
  progress: Progress,
): Promise<void> {
  const calls = users.map(({ token }) => ({ method: 'conversations.join', token, fields: { channel } }));
  await callAll(api, calls, (done) => progress.show(`joining: ${done} of ${calls.length}`));
}

/** The messages of a channel, oldest first, as [seq, text]; the newest `limit` of them. */
export async function readHistory(
  { api }: Target,
  { id, token }: BenchChannel,
  limit: number,
): Promise<(readonly [number, string])[]> {
  const fields = { channel: id, limit: String(limit) };
  const answer = await callApi(api, { method: 'conversations.history', token, fields });
  const messages = (answer['messages'] ?? []) as { seq?: number; text?: string }[];
  return messages.map(({ seq, text }) => [Number(seq), String(text)] as const).reverse();
}

function idIn(answer: ApiBody, field: string): string {
  return String((answer[field] as { id?: unknown } | undefined)?.id);
}
