/**
 * A `belfry dev` of the harness's own: real processes on free ports of loopback, a new data folder, no rate limits.
 *
 * I1  stop() ends it by its process id, waits for its end and removes the folder; nothing of it stays,
 *     also when the harness itself is killed (but for the folder).
 * I2  Every process of its tree has a role, so that no CPU time goes uncounted: what dev.json does not list is
 *     `supervisor`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { RoleProcess } from './process-meter.ts';
import { readDevFile, type DevFile } from './dev-file.ts';
import { readNatsVersion } from './nats-info.ts';
import { processTree } from './process-stat.ts';
import { profileEnvironment } from './profiler.ts';
import type { ServerCounts, Servers } from './servers.ts';

export type DevOptions = ServerCounts & {
  readonly profileFolder: string | undefined;
  /** It is going to be killed in parts; what it says of that on stderr is no news. */
  readonly quiet?: boolean;
};

export type DevInstance = Servers & {
  readonly dev: DevFile;
  readonly folder: string;
  readonly natsPort: number;
  readonly natsVersion: string;
};

const pollMs = 50;

/** @throws Error when it ends or takes too long before it is ready, or the signal aborts. */
export async function startDev(clock: Clock, signal: AbortSignal, options: DevOptions): Promise<DevInstance> {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-bench-'));
  const child = launch(folder, options);
  const stop = async () => {
    await end(clock, child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const dev = await whenReady(clock, signal, child, folder);
    const natsPort = dev.processes.find(({ role }) => role === 'nats')?.port ?? 0;
    const natsVersion = await readNatsVersion(natsPort);
    return {
      ...{ dev, folder, natsPort, natsVersion, stop },
      access: { api: dev.api, admin: dev.admin, prefix: 'load', limited: false, signal },
      processes: () => processesOf(child.pid ?? 0, readDevFile(folder) ?? dev),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function launch(folder: string, options: DevOptions): ChildProcess {
  const counts = ['--workers', String(options.workers), '--gateways', String(options.gateways)];
  const server = options.natsServer === undefined ? [] : ['--nats-server', options.natsServer];
  const args = ['dev', '--port', '0', '--data', folder, '--rate-limits', 'off', ...counts, ...server];
  // Ourselves again: we are `belfry bench`. A group of its own: on Ctrl-C the harness ends it, after its load. Supervised:
  // should the harness be killed, its end of the pipe closes and `belfry dev` drains (I1).
  return spawn(process.execPath, ['--enable-source-maps', process.argv[1] ?? '', ...args], {
    detached: true,
    stdio: ['pipe', 'ignore', options.quiet === true ? 'ignore' : 'inherit'],
    env: { ...process.env, BELFRY_SUPERVISED: '1', ...profileEnvironment(options.profileFolder) },
  });
}

async function whenReady(clock: Clock, signal: AbortSignal, child: ChildProcess, folder: string): Promise<DevFile> {
  const deadlineMs = clock.monotonicMs() + limits.startMs;
  while (clock.monotonicMs() < deadlineMs) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('belfry dev ended before it was ready');
    const dev = readDevFile(folder);
    if (dev !== undefined) return dev;
    if (!(await clock.sleep(pollMs, signal))) throw new Error('interrupted');
  }
  throw new Error(`belfry dev was not ready after ${limits.startMs / 1_000} s`);
}

/** I2 */
function processesOf(root: number, dev: DevFile): RoleProcess[] {
  const listed = new Map(dev.processes.map(({ pid, role, id }) => [pid, { pid, role, id }]));
  return processTree(root).map((pid) => listed.get(pid) ?? { pid, role: 'supervisor', id: 'supervisor' });
}

async function end(clock: Clock, child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  // Its processes end by themselves when it is killed (they watch their supervisor).
  const timer = clock.setTimeout(() => void child.kill('SIGKILL'), limits.benchEndMs);
  await ended;
  timer.cancel();
}
