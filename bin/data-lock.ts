/**
 * The lock on a data folder: one `belfry dev` at a time. Two nats-servers on one store would destroy it, so the lock
 * counts as held while the supervisor that wrote it lives, or any nats-server that it started.
 *
 * D1  The lock file appears whole (it is linked into place), so of two takers exactly one succeeds.
 * D2  A lock whose processes are all gone is stale and is taken over. nats-servers that outlive their supervisor get
 *     a moment to end: they are on their way out.
 */
import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../platform/clock.ts';
import { UsageError } from '../platform/config.ts';
import { limits } from '../platform/limits.ts';
import { writePrivateFile, readPrivateFile } from './private-file.ts';
import { identify, isAlive, type ProcessIdentity } from './process-identity.ts';

type Holder = { readonly supervisor: ProcessIdentity; readonly brokers: readonly ProcessIdentity[] };

export type DataLock = {
  /** Writes down which nats-servers use the store now. */
  setBrokers(pids: readonly number[]): void;
  release(): void;
};

/** @throws UsageError when the folder is in use, or cannot be written. */
export async function lockData(folder: string, clock: Clock): Promise<DataLock> {
  const path = join(folder, 'lock');
  makeFolder(folder);
  const deadlineMs = clock.monotonicMs() + limits.orphanEndMs;
  while (!tryTake(path)) {
    const holder = readHolder(path);
    if (isAlive(holder.supervisor)) throw inUse(folder, holder);
    if (!holder.brokers.some(isAlive)) {
      breakLock(path, holder);
      continue;
    }
    if (clock.monotonicMs() > deadlineMs) throw inUse(folder, holder);
    for (const broker of holder.brokers) if (isAlive(broker)) process.kill(broker.pid, 'SIGTERM');
    await clock.sleep(pollMs);
  }
  return heldLock(path);
}

const pollMs = 50;

function heldLock(path: string): DataLock {
  return {
    setBrokers: (pids) => writePrivateFile(path, ourselves(pids)),
    release: () => rmSync(path, { force: true }),
  };
}

function ourselves(brokerPids: readonly number[]): Holder {
  return { supervisor: identify(process.pid), brokers: brokerPids.map(identify) };
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new UsageError(`--data ${folder} cannot be made: ${(cause as Error).message}`, { cause });
  }
}

function tryTake(path: string): boolean {
  const draft = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(draft, JSON.stringify(ourselves([])), { mode: 0o600 });
    linkSync(draft, path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new UsageError(`--data cannot be written: ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Moved aside rather than removed: of two that break the same lock only one finds it there. Who was late and moved the
 * winner's new lock puts it back.
 */
function breakLock(path: string, stale: Holder): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
    if (JSON.stringify(readHolder(aside)) !== JSON.stringify(stale)) linkSync(aside, path);
    rmSync(aside, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** A lock that cannot be read was not written by us; nobody can hold it. */
function readHolder(path: string): Holder {
  try {
    return (readPrivateFile(path) as Holder | undefined) ?? nobody;
  } catch {
    return nobody;
  }
}

const nobody: Holder = { supervisor: { pid: 0, began: 'never' }, brokers: [] };

function inUse(folder: string, holder: Holder): UsageError {
  const who = `process ${holder.supervisor.pid}`;
  return new UsageError(`${folder} is in use by another belfry dev (${who}); stop it, or choose another --data`);
}
