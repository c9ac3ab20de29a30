/**
 * Three nats-servers, streams with three replicas: any one of them may be killed, the leader of the log included, and so
 * may workers, also while one of the servers stands still. Nothing acknowledged is lost, posts go through again once there
 * is a leader and an owner, and nobody stays with an old view.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectNats } from '../../broker/nats-broker.ts';
import type { Broker } from '../../broker/broker.ts';
import { subjects } from '../../broker/subjects.ts';
import { systemClock } from '../../platform/clock.ts';
import { silentLogger } from '../../platform/logger.ts';
import { systemRng } from '../../platform/rng.ts';
import { parseChannelId, parseUserId } from '../../protocol/ids.ts';
import type { ChannelRecord } from '../../webapp/directory-records.ts';
import { createDirectory, type Directory } from '../../webapp/directory.ts';
import { ChaosCluster, type Victim } from '../chaos/chaos-cluster.ts';
import { ChaosRun } from '../chaos/chaos-run.ts';
import { summarise } from '../chaos/chaos-summary.ts';
import { describeBreaches } from '../support/history-checks.ts';
import { findNatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';

/** An election takes 4 to 9 s, and a client that lost its server looks for another. */
const recoveryMsMax = 20_000;
const backMs = 30_000;
/** A watch is set up anew after 4 s of silence, if the servers have a leader by then. */
const staleMsMax = 10_000;
const LOG = subjects.logStream(1, 0);

let folder: string;
let cluster: ChaosCluster;
let passwords: Record<string, string>;
let nats: NatsConnection;
let manager: JetStreamManager;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belfry-replicas-'));
  const natsServer = await endsAtFirst('nats-2');
  cluster = await ChaosCluster.start({ workers: 2, gateways: 1, webapps: 1, proxied: false, natsNodes: 3, natsServer });
  const secrets = JSON.parse(readFileSync(join(cluster.dev.data, 'secrets.json'), 'utf8')) as {
    nats: Record<string, string>;
  };
  passwords = secrets.nats;
  const servers = cluster.dev.file.processes
    .filter(({ role }) => role === 'nats')
    .map(({ port }) => `127.0.0.1:${port}`);
  const user = { user: 'admin', pass: passwords['admin'] ?? '', inboxPrefix: '_INBOX_admin' };
  nats = await connect({ servers, ...user, maxReconnectAttempts: -1 });
  manager = await jetstreamManager(nats, { checkAPI: false });
}, 120_000);
afterAll(async () => {
  await nats?.close();
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** A nats-server whose server of that name ends at its first start, as one does whose port somebody else took. */
async function endsAtFirst(name: string): Promise<string> {
  const [path, mark] = [join(folder, 'nats-server'), join(folder, 'ended')];
  const once = `case "$*" in *" -n ${name} "*) [ -e ${mark} ] || { touch ${mark}; exit 1; };; esac`;
  await writeFile(path, `#!/bin/sh\n${once}\nexec ${findNatsServer()} "$@"\n`, { mode: 0o755 });
  return path;
}

async function logLeader(): Promise<string | undefined> {
  try {
    return (await manager.streams.info(LOG)).cluster?.leader;
  } catch {
    return undefined;
  }
}

/** Of the log and of the buckets alike: a channel cannot be made while the directory's bucket elects its leader. */
async function allReplicasCurrent(): Promise<boolean> {
  try {
    const streams = await manager.streams.list().next();
    return streams.every(({ cluster: peers }) => {
      const replicas = peers?.replicas ?? [];
      const areCurrent = replicas.every(({ current, offline }) => current && offline !== true);
      return peers?.leader !== undefined && replicas.length === 2 && areCurrent;
    });
  } catch {
    return false;
  }
}

async function victimWhich(isLeader: boolean): Promise<Victim> {
  const leader = await until('a leader of the log', logLeader);
  const victim = cluster.running('nats').find(({ id }) => (id === leader) === isLeader);
  if (victim === undefined) throw new Error(`no such server; the leader is ${leader}`);
  return victim;
}

function anyWorker(): Victim {
  const [worker] = cluster.running('worker');
  if (worker === undefined) throw new Error('no worker runs');
  return worker;
}

/** False also while nobody can tell. */
async function isDeclaredDead({ id }: Victim): Promise<boolean> {
  const workers = (await cluster.info())?.['workers'] as readonly { readonly id: string }[] | undefined;
  return workers?.every((worker) => worker.id !== id) === true;
}

/** Posts and listens while harm is done, and checks the history when everything is well again. */
async function underLoad(what: string, harm: (postsGoThrough: () => Promise<void>) => Promise<void>): Promise<void> {
  await cluster.settled();
  await until('all replicas to be current', allReplicasCurrent, backMs);
  const run = new ChaosRun(cluster);
  await run.begin({ channels: 4, posters: 4, periodMs: 80 });
  const { recorder } = run;
  const channelsOf = (posts: readonly { readonly channel: string }[]) => new Set(posts.map(({ channel }) => channel));
  await until('every channel to be posted to', () => run.acknowledged > 40 && channelsOf(recorder.posts).size === 4);
  const fault = recorder.fault(what);
  await harm(async () => {
    const sinceMs = recorder.now();
    const since = () => recorder.posts.filter(({ sentMs, acked }) => sentMs > sinceMs && acked !== undefined);
    await until('posts in every channel', () => channelsOf(since()).size === 4, recoveryMsMax);
  });
  fault.untilMs = recorder.now();
  const breaches = await run.finish();
  const story = summarise(recorder, 0, breaches);
  if (process.env['BELFRY_SHOW'] !== undefined) process.stdout.write(story);
  expect(describeBreaches(breaches), story).toBe('');
}

describe('three nats-servers', () => {
  test('start anew when one of them cannot start with the others', () => {
    expect(cluster.log()).toMatch(/^belfry dev: the nats-servers start again: nats-2 did not start: exit code 1/m);
  });

  test.each([
    ['the leader of the log', true],
    ['another one', false],
  ])(
    'lose %s: nothing acknowledged is lost, and all goes on by itself',
    async (_what, isLeader) => {
      await underLoad('kill a nats-server', async (postsGoThrough) => {
        const victim = await victimWhich(isLeader);
        cluster.signal(victim, 'SIGKILL');
        await postsGoThrough();
        await until(`${victim.id} to be back`, () => cluster.isBack(victim), backMs);
      });
    },
    120_000,
  );

  test('see a worker killed: its slots move, and nothing is lost', async () => {
    await underLoad('kill a worker', async (postsGoThrough) => {
      const victim = anyWorker();
      cluster.signal(victim, 'SIGKILL');
      await postsGoThrough();
      await until(`${victim.id} to be back`, () => cluster.isBack(victim), backMs);
    });
  }, 120_000);

  test('see a worker stand still until it was replaced: it ends when it wakes, and nothing is lost', async () => {
    await underLoad('freeze a worker', async (postsGoThrough) => {
      const victim = anyWorker();
      cluster.signal(victim, 'SIGSTOP');
      await until(`${victim.id} to be declared dead`, () => isDeclaredDead(victim), recoveryMsMax);
      await postsGoThrough();
      cluster.signal(victim, 'SIGCONT');
      await until(`${victim.id} to be back`, () => cluster.isBack(victim), backMs);
    });
  }, 120_000);

  // A worker's connections are spread over all three, so that the silent one has some of them.
  test('stand still, one of them, while a worker dies: it is replaced all the same, and nothing is lost', async () => {
    await underLoad('freeze a nats-server, kill a worker', async (postsGoThrough) => {
      const [silent, victim] = [await victimWhich(false), anyWorker()];
      cluster.signal(silent, 'SIGSTOP');
      cluster.signal(victim, 'SIGKILL');
      await postsGoThrough();
      cluster.signal(silent, 'SIGCONT');
      await until(`${victim.id} to be back`, () => cluster.isBack(victim), backMs);
    });
  }, 120_000);

  test('leave no watch deaf: the next change of the table reaches every node', async () => {
    const worker = anyWorker();
    const before = (await cluster.info())?.['view'];
    cluster.signal(worker, 'SIGTERM');
    await until(`${worker.id} to be back`, () => cluster.isBack(worker), backMs);
    await cluster.settled();
    expect(Number((await cluster.info())?.['view'])).toBeGreaterThan(Number(before));
    await until('one view of the table', oneView, 5_000);
  }, 60_000);

  test("nor a webapp's list of channels, when the server that feeds it falls silent and its own connections stay", async () => {
    await until('all replicas to be current', allReplicasCurrent, backMs);
    const [home, ...others] = cluster.running('nats');
    const { port = 0 } = cluster.dev.file.processes.find(({ id }) => id === home?.id) ?? {};
    const writer = await watchFrom(port);
    let reader = await watchFrom(port);
    while (reader.fedBy === undefined || reader.fedBy === home?.id) {
      await stopWatching(reader);
      reader = await watchFrom(port);
    }
    const victim = others.find(({ id }) => id === reader.fedBy)!;
    cluster.signal(victim, 'SIGSTOP');
    const write = async () => (await writer.directory.publishChannel(watched)).kind !== 'unavailable';
    await until('the change to be written', write, recoveryMsMax, 100);
    const writtenMs = performance.now();
    await until('the change to be seen', () => reader.directory.channels.get(watched.id), staleMsMax);
    if (process.env['BELFRY_SHOW'] !== undefined) console.log(`seen after ${performance.now() - writtenMs} ms`);
    cluster.signal(victim, 'SIGCONT');
    await Promise.all([writer, reader].map(stopWatching));
  }, 90_000);
});

const watched: ChannelRecord = {
  id: parseChannelId('C0WATCHED01')!,
  creator: parseUserId('U0WATCHED01')!,
  ...{ kind: 'public', name: 'watched', created: 1, isGeneral: false, archived: false },
};

/** A webapp's directory whose broker connections are at one server, and the server that feeds its watch. */
interface Watching {
  readonly broker: Broker;
  readonly directory: Directory;
  readonly fedBy: string | undefined;
}

async function watchFrom(port: number): Promise<Watching> {
  const before = new Set((await watchesOfDirectory()).map(({ name }) => name));
  const access = { servers: [`nats://127.0.0.1:${port}`], user: 'webapp', password: passwords['webapp'] ?? '' };
  const broker = await connectNats({ ...access, incarnation: 'reader-1', records: false });
  const directory = createDirectory({ broker, clock: systemClock, rng: systemRng, logger: silentLogger });
  await directory.ready;
  const own = (await watchesOfDirectory()).find(({ name }) => !before.has(name));
  return { broker, directory, fedBy: own?.cluster?.leader };
}

function watchesOfDirectory() {
  return manager.consumers.list('KV_belfry_directory').next();
}

async function stopWatching({ broker, directory }: Watching): Promise<void> {
  directory.stop();
  await broker.close();
}

/** Of every node, webapps and gateways included: a watch that went deaf would leave one behind. */
async function oneView(): Promise<boolean> {
  const info = (await cluster.info()) ?? {};
  const nodes = ['workers', 'gateways', 'webapps'].flatMap((key) => (info[key] ?? []) as { view?: number }[]);
  return nodes.length === 4 && nodes.every(({ view }) => view === info['view']);
}
