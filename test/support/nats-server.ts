/**
 * A real nats-server for tests: the repository's nats.conf, loopback, a free port, a store of its own and fresh
 * passwords. Nothing of it outlives the test process.
 *
 * T1  The URL stays the same over kill(), stop() and start(): clients find the server again.
 * T2  start() resolves when the server accepts clients, never after a fixed time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { NATS_USERS, passwordVariables, type NatsPasswords, type NatsUser } from '../../broker/nats-users.ts';
import { freePorts } from '../../platform/free-port.ts';
import { projectRoot } from '../../platform/project-root.ts';
import { isExecutable, serverBinaryPlaces } from '../../platform/server-binary.ts';

export interface NatsCredentials {
  readonly user: NatsUser;
  readonly password: string;
}

export interface TestNatsServer {
  readonly url: string;
  readonly users: Readonly<Record<NatsUser, NatsCredentials>>;
  /** The passwords as nats.conf and the roles take them: BELFRY_NATS_<ROLE>_PASSWORD. */
  readonly env: Readonly<Record<string, string>>;
  pid(): number;
  /** SIGKILL: what was acknowledged stays in the store. */
  kill(): Promise<void>;
  /** Stops the process (SIGSTOP) without closing a socket, and lets it go on. */
  freeze(): void;
  thaw(): void;
  /** Again after kill(), on the same port and store (T1). */
  start(): Promise<void>;
  /** Ends the process and removes the store. */
  stop(): Promise<void>;
}

const REPOSITORY = projectRoot();
const START_WAIT_MS = 10_000;

export function startNatsServer(): Promise<TestNatsServer> {
  return startOne(freshPasswords(), ['-n', 'test']);
}

/** Servers `n0`, `n1` … of one cluster, with the same passwords; they may still have no leader. */
export async function startNatsCluster(size: number): Promise<TestNatsServer[]> {
  const passwords = freshPasswords();
  const routes = (await freePorts(size)).map((port) => `nats://127.0.0.1:${port}`);
  const flags = (at: number) => ['-n', `n${at}`, '--cluster_name', 'test', '--cluster', routes[at] ?? ''];
  return Promise.all(routes.map((_, at) => startOne(passwords, [...flags(at), '--routes', routes.join(',')])));
}

function freshPasswords(): NatsPasswords {
  return Object.fromEntries(NATS_USERS.map((user) => [user, `p${randomBytes(16).toString('hex')}`])) as NatsPasswords;
}

async function startOne(passwords: NatsPasswords, flags: readonly string[]): Promise<TestNatsServer> {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-nats-'));
  const users = Object.fromEntries(NATS_USERS.map((user) => [user, { user, password: passwords[user] }])) as Record<
    NatsUser,
    NatsCredentials
  >;
  const env = passwordVariables(passwords);
  let running = await launch(folder, env, '-1', flags);
  const { url } = running;
  return {
    url,
    users,
    env,
    pid: () => running.child.pid ?? 0,
    kill: () => killed(running.child),
    freeze: () => void running.child.kill('SIGSTOP'),
    thaw: () => void running.child.kill('SIGCONT'),
    async start() {
      running = await launch(folder, env, new URL(url).port, flags);
    },
    async stop() {
      await killed(running.child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The nats-server that BELFRY_NATS_SERVER names, or the first that is here. */
export function findNatsServer(): string {
  const given = process.env['BELFRY_NATS_SERVER'];
  const own = [join(REPOSITORY, '.tools/bin/nats-server'), join(REPOSITORY, '.tools/usr/sbin/nats-server')];
  // What setup.sh unpacked was needed because the system's is absent or too old: it comes before the PATH here.
  const candidates = [...(given === undefined ? [] : [given]), ...own, ...serverBinaryPlaces('nats-server')];
  const found = candidates.find(isExecutable);
  if (found === undefined) throw new Error('no nats-server: run ./scripts/setup.sh');
  return found;
}

async function launch(
  folder: string,
  env: Readonly<Record<string, string>>,
  port: string,
  ownFlags: readonly string[],
) {
  const ports = await mkdtemp(join(folder, 'ports-'));
  await mkdir(join(folder, 'store'), { recursive: true });
  const flags = [...ownFlags, '-c', join(REPOSITORY, 'nats.conf'), '-a', '127.0.0.1', '-p', port];
  const child = spawn(findNatsServer(), [...flags, '-sd', join(folder, 'store'), '--ports_file_dir', ports], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const killWithTest = () => void child.kill('SIGKILL');
  process.once('exit', killWithTest);
  child.once('exit', () => process.removeListener('exit', killWithTest));
  const log = tailOf(child);
  return { child, url: await portsFile(child, ports, log) };
}

/** The server writes this file when its listeners are up. */
async function portsFile(child: ChildProcess, folder: string, log: () => string): Promise<string> {
  const deadline = Date.now() + START_WAIT_MS;
  while (Date.now() < deadline && child.exitCode === null && child.signalCode === null) {
    const [name] = await readdir(folder);
    const text = name === undefined ? '' : await readFile(join(folder, name), 'utf8');
    const url = /nats:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
    if (url !== undefined) return url;
    await wait(5);
  }
  child.kill('SIGKILL');
  throw new Error(`nats-server did not start:\n${log()}`);
}

/** The last of what the server wrote, for a failure's message; the pipe must be read or it blocks. */
function tailOf(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-4_000);
  });
  return () => tail;
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
