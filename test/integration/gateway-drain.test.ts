/** A gateway is drained under load: its sessions go elsewhere and miss nothing, and nobody seems to have left (G4, G5, G7). */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, callApi } from '../support/api.ts';
import { startBelfryDev, type BelfryDev } from '../support/belfry-dev.ts';
import { RoamingClient } from '../support/roaming-client.ts';
import { until } from '../support/until.ts';

const clientCount = 12;
let dev: BelfryDev;
const base = () => dev.file.api;
const ownerToken = () => dev.file.users[0]?.token ?? '';

beforeAll(async () => {
  dev = await startBelfryDev({ workers: 2, gateways: 2 });
}, 60_000);
afterAll(async () => {
  await dev?.stop();
});

interface Member {
  readonly id: string;
  readonly token: string;
}

async function makeMembers(channel: string): Promise<Member[]> {
  const make = async () => {
    const name = `d-${randomUUID().slice(0, 8)}`;
    const { user, token } = await api(base(), 'belfry.users.create', dev.file.admin, { name });
    return { id: (user as { id: string }).id, token: String(token) };
  };
  const members = await Promise.all(Array.from({ length: clientCount + 1 }, make));
  const users = members.map(({ id }) => id).join(',');
  await api(base(), 'conversations.invite', ownerToken(), { channel, users });
  return members;
}

interface Load {
  readonly acked: string[];
  stop(): Promise<void>;
}

/** Posts one after another until told to stop; a post is repeated with its id until it is acknowledged. */
function startPosting(channel: string): Load {
  const acked: string[] = [];
  let stopping = false;
  const run = async () => {
    for (let n = 0; !stopping; n += 1) {
      const args = { channel, text: `p${n}`, client_msg_id: randomUUID() };
      while (!(await callApi(base(), 'chat.postMessage', ownerToken(), args)).body.ok) continue;
      acked.push(args.text);
    }
  };
  const running = run();
  const stop = async () => {
    stopping = true;
    await running;
  };
  return { acked, stop };
}

describe('a gateway that is told to end under load', () => {
  test('sends its sessions elsewhere without a lost or doubled event, and nobody is seen to leave', async () => {
    const { channel } = await api(base(), 'conversations.create', ownerToken(), {
      name: `d-${randomUUID().slice(0, 8)}`,
    });
    const { id } = channel as { id: string };
    const members = await makeMembers(id);
    const all = members.map(({ token }) => new RoamingClient({ api: base, token }));
    const [leaver, clients] = [all[0]!, all.slice(1)];
    for (const client of all) client.start();
    await until('all to be live', () => all.every((client) => client.isLive));
    const greeting = { type: 'presence_sub', ids: members.map((member) => member.id) };
    const watcher = new RoamingClient({ api: base, token: ownerToken(), greeting });
    watcher.start();
    const seenActive = () => new Set(presences(watcher, 'active'));
    await until('the watcher to see all of them', () => members.every((member) => seenActive().has(member.id)));

    const drained = dev.file.processes.find(({ role }) => role === 'gateway');
    const there = clients.filter((client) => client.visits.at(-1)?.port === String(drained?.port));
    expect(there.length).toBeGreaterThan(0);
    expect(there.length).toBeLessThan(clientCount);
    const load = startPosting(id);
    await until('posts', () => load.acked.length > 50);
    process.kill(drained?.pid ?? 0, 'SIGTERM');
    const areBack = () => there.every((one) => one.visits.length > 1) && all.every((one) => one.isLive);
    await until('every session to have come back', areBack);
    await until('the drained gateway to be gone', () => !isRunning(drained?.pid ?? 0));
    await load.stop();
    // Leases of sessions that nobody took up ended before this one, and would show as `away` before it does.
    await leaver.stop();
    await until('the one who left for good to show as away', () => presences(watcher, 'away').length > 0, 20_000);
    expect(presences(watcher, 'away')).toEqual([members[0]?.id]);
    const last = startPosting(id);
    await until('posts to the end', () => last.acked.length > 10);
    await last.stop();
    const acked = [...load.acked, ...last.acked];

    const everyone = [...clients, watcher];
    const hasAll = (client: RoamingClient) => client.texts(id).length >= acked.length;
    await until('everything to arrive', () => everyone.every(hasAll));
    for (const client of everyone) {
      expect(client.faults).toEqual([]);
      expect(client.texts(id)).toEqual(acked);
    }
    for (const client of there) {
      expect(client.visits[0]?.code).toBe(4000);
      expect(client.frames.some((frame) => frame.type === 'goodbye')).toBe(true);
    }
    expect(presences(watcher, 'away')).toEqual([members[0]?.id]);
    await Promise.all(everyone.map((client) => client.stop()));
  }, 60_000);
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Users of whom the watcher was told so. */
function presences(watcher: RoamingClient, presence: string): unknown[] {
  const told = watcher.frames.filter((frame) => frame.type === 'presence_change' && frame['presence'] === presence);
  return told.flatMap((frame) => (Array.isArray(frame['users']) ? (frame['users'] as unknown[]) : [frame['user']]));
}
