/** Load shared with a machine that joined: a coordinator and `belfry bench --join` as two processes over a real nats-server. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoadGroup as LoadGroupClass } from '../../bench/load-group.ts';
import type { Machines as MachinesClass } from '../../bench/machines.ts';
import type { PostsLoad } from '../../bench/posts-load.ts';
import type { RunContext } from '../../bench/scenario.ts';
import { readNatsVersion } from '../../bench/nats-info.ts';
import { findNatsServer } from '../../broker/nats-server-binary.ts';
import { systemClock } from '../../platform/clock.ts';
import { freePorts } from '../../platform/free-port.ts';
import { projectRoot } from '../../platform/project-root.ts';
import { SeededRng } from '../../platform/rng.ts';
import { spawnBelfry } from '../support/belfry-cli.ts';
import { until } from '../support/until.ts';

/** Load processes run built files. */
const built = (name: string) => import(join(projectRoot(), 'dist/bench', name)) as Promise<unknown>;
const { Machines } = (await built('machines.js')) as { Machines: typeof MachinesClass };
const { LoadGroup } = (await built('load-group.js')) as { LoadGroup: typeof LoadGroupClass };

const progress = { show: () => undefined, clear: () => undefined };
let server: ChildProcess;
let url: string;

/** A nats-server for nothing else, with a password, as the docs say. */
beforeAll(async () => {
  const { path } = await findNatsServer(undefined);
  const [port = 0] = await freePorts(1);
  server = spawn(path, ['-a', '127.0.0.1', '-p', String(port), '--user', 'load', '--pass', 'p w'], { stdio: 'ignore' });
  url = `nats://load:p%20w@127.0.0.1:${port}`;
  await until('nats-server to accept clients', () => readNatsVersion(port).catch(() => false));
});
afterAll(async () => {
  server.kill('SIGKILL');
  await once(server, 'exit');
});

describe('a machine that joined', () => {
  it('runs its turn of the load processes, answers for them, and leaves with its coordinator', async () => {
    const joiner = spawnBelfry(['bench', '--join', url]);
    const { signal } = new AbortController();
    const machines = await Machines.gather(url, 1, signal, progress);
    const context = { ...runContext(), signal, machines };
    const load = new LoadGroup<PostsLoad>('./posts-load', 3, context);
    await load.beginWatch();
    expect(await load.callAll('posted', null)).toEqual([0, 0, 0]);
    expect(load.pids().map((pid) => pid === 0)).toEqual([false, true, false]);
    expect(await load.endWatch()).toHaveLength(3);
    await expect(load.callAll('post', { seconds: 1, once: false })).rejects.toThrow('posts-load: not open');
    // Its clock is that of this machine: the offset is what the measuring was off by.
    expect(Math.abs(machines.clockOffsetUs(0))).toBeLessThan(1e6);
    await load.stop();
    await machines.close();
    expect(await joiner.ended).toEqual({ code: 0, signal: null });
  });

  it('is waited for until Ctrl-C', async () => {
    const controller = new AbortController();
    const gathering = Machines.gather(url, 1, controller.signal, progress);
    controller.abort();
    await expect(gathering).rejects.toThrow('interrupted');
  });
});

function runContext(): RunContext {
  const { signal } = new AbortController();
  const none = { profileFolder: undefined, target: undefined, machines: undefined };
  return { clock: systemClock, rng: new SeededRng(1), progress, signal, seconds: 1, sourceAddresses: 1, ...none };
}
