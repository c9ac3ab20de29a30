/** The lock on a data folder: one holder at a time, and a dead holder's lock is no lock. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockData } from '../../../bin/data-lock.ts';
import { identify, isAlive, type ProcessIdentity } from '../../../bin/process-identity.ts';
import { systemClock } from '../../../platform/clock.ts';

let folder: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'belfry-lock-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const lockPath = () => join(folder, 'lock');
const take = () => lockData(folder, systemClock);
const leave = (supervisor: ProcessIdentity, brokers: ProcessIdentity[]) =>
  writeFileSync(lockPath(), JSON.stringify({ supervisor, brokers }));

async function sleeper(): Promise<ChildProcess> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return child;
}

async function dead(): Promise<ProcessIdentity> {
  const child = await sleeper();
  const identity = identify(child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return identity;
}

describe('the data lock', () => {
  it('is held once, for its owner only, and can be taken again after its release', async () => {
    const lock = await take();
    await expect(take()).rejects.toThrow(/is in use by another belfry dev \(process \d+\)/);
    expect(statSync(lockPath()).mode & 0o777).toBe(0o600);
    lock.release();
    (await take()).release();
  });

  it('is taken over from a supervisor that died', async () => {
    leave(await dead(), []);
    const lock = await take();
    expect(JSON.parse(readFileSync(lockPath(), 'utf8'))).toMatchObject({ supervisor: { pid: process.pid } });
    lock.release();
  });

  it('is taken over when the number of the dead supervisor belongs to another process now', async () => {
    const other = await sleeper();
    leave({ pid: other.pid ?? 0, began: '1' }, []);
    (await take()).release();
    expect(other.exitCode).toBeNull();
  });

  it('ends a broker that outlived its supervisor before anything else touches the store', async () => {
    const broker = await sleeper();
    leave(await dead(), [identify(broker.pid ?? 0)]);
    const lock = await take();
    expect(isAlive(identify(broker.pid ?? 0))).toBe(false);
    lock.release();
  });

  it('counts what cannot be read as nobody’s', async () => {
    writeFileSync(lockPath(), '{"half');
    (await take()).release();
  });

  it('goes to exactly one of many takers at once', async () => {
    leave(await dead(), []);
    const taken = await Promise.allSettled([take(), take(), take(), take()]);
    expect(taken.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
  });
});
