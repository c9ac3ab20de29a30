/** How `belfry dev` ends, cleanly and not, and what it finds again when it starts on the same data. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isAlive } from '../../bin/process-identity.ts';
import { api } from '../support/api.ts';
import { startBelfryDev, type BelfryDev } from '../support/belfry-dev.ts';
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
