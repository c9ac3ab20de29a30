/**
 * `belfry dev`: nats-server and one process per role on this machine, started in order, watched, ended in order.
 *
 * V1  dev.json is there only while the whole is ready: removed before the start and first of all at the stop.
 * V2  Roles end before the broker: their drains need it. The lock on the data folder goes last.
 * V3  A process that cannot start ends the whole with one line; one that dies later is started again.
 * V4  Several nats-servers that do not become a cluster start again, empty as long as nobody was told of what they hold.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { NatsServerBinary } from '../broker/nats-server-binary.ts';
import type { Clock } from '../platform/clock.ts';
import { UsageError, type Output } from '../platform/config.ts';
import { Lifecycle } from '../platform/lifecycle.ts';
import { limits } from '../platform/limits.ts';
import { createLogger, type LogLevel } from '../platform/logger.ts';
import type { Rng } from '../platform/rng.ts';
import { makeToken } from '../webapp/token-store.ts';
import { SupervisedChild, type ChildSpec } from './child-process.ts';
import { lockData, type DataLock } from './data-lock.ts';
import { removeDevFile, writeDevFile, type Workspace } from './dev-file.ts';
import { clusterTries } from './cluster-tries.ts';
import { makeDemoWorkspace } from './demo-workspace.ts';
import { publicPorts, roleSpecs, type RolePlan } from './dev-roles.ts';
import { openSecrets, saveSecrets, type DevSecrets } from './dev-secrets.ts';
import { portIsFree } from '../platform/free-port.ts';
import { initCluster } from './init-cluster.ts';
import { natsSpecs, natsUrl } from './nats-process.ts';
import { projectRoot } from '../platform/project-root.ts';

export type DevOptions = {
  readonly port: number;
  readonly webapps: number;
  readonly workers: number;
  readonly gateways: number;
  readonly natsNodes: number;
  /** Absolute. */
  readonly data: string;
  readonly rateLimits: string;
  readonly logLevel: LogLevel;
};

export type DevParts = {
  readonly options: DevOptions;
  readonly natsServer: NatsServerBinary;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly output: Output;
};

export type DevReady = { readonly api: string; readonly workspace: Workspace };

export class DevSupervisor {
  readonly #parts: DevParts;
  readonly #lifecycle: Lifecycle;
  readonly #brokers: SupervisedChild[] = [];
  readonly #roles: SupervisedChild[] = [];
  #ready: DevReady | undefined;

  constructor(parts: DevParts) {
    this.#parts = parts;
    const logger = createLogger({ role: 'dev', id: 'dev', level: parts.options.logLevel });
    this.#lifecycle = new Lifecycle({ clock: parts.clock, logger, drainDeadlineMs: 2 * limits.childEndMs });
  }

  /** Resolves when all is ready. From then on the process ends only by a signal. @throws UsageError (V3) */
  async start(): Promise<DevReady> {
    const { options, clock } = this.#parts;
    const lock = await lockData(options.data, clock);
    this.#lifecycle.onShutdown('lock', () => lock.release());
    this.#lifecycle.listen();
    try {
      return await this.#startAll(lock);
    } catch (error) {
      // A stop during the start makes starts fail; the process is about to end by itself.
      if (this.#lifecycle.draining.aborted) return new Promise(() => undefined);
      await this.#lifecycle.shutdown('start_failed');
      throw error;
    }
  }

  async #startAll(lock: DataLock): Promise<DevReady> {
    const { options, rng } = this.#parts;
    await checkPorts(options);
    removeDevFile(options.data);
    const secrets = openSecrets(options.data, options.natsNodes, rng);
    const { nats, admin } = await this.#startCluster(secrets, lock);
    await this.#startRoles({ ...options, nats, passwords: secrets.nats, env: plainEnvironment() });
    const api = `http://127.0.0.1:${this.#apiPort()}/api/`;
    const workspace = secrets.workspace ?? (await makeDemoWorkspace(api, admin, this.#parts.clock));
    saveSecrets(options.data, { ...secrets, admin, workspace });
    return this.#becomeReady({ api, workspace });
  }

  /** The brokers, initialised (V4). */
  #startCluster(secrets: DevSecrets, lock: DataLock): Promise<{ readonly nats: string[]; readonly admin: string }> {
    const { options, output } = this.#parts;
    this.#lifecycle.onShutdown('brokers', () => stopAll(this.#brokers));
    return clusterTries({
      tries: options.natsNodes === 1 ? 1 : limits.clusterTriesMax,
      over: this.#lifecycle.draining,
      start: async () => {
        await this.#startBrokers(secrets, lock);
        const nats = this.#brokers.map((child) => natsUrl(child.port));
        return { nats, admin: await this.#init(secrets, nats) };
      },
      discard: async (why) => {
        output.err(`belfry dev: the nats-servers start again: ${why}\n`);
        await stopAll(this.#brokers.splice(0));
        if (secrets.workspace === undefined) rmSync(this.#natsFolder(), { recursive: true, force: true });
      },
    });
  }

  #natsFolder(): string {
    return join(this.#parts.options.data, 'nats');
  }

  async #startBrokers(secrets: DevSecrets, lock: DataLock): Promise<void> {
    const { options, natsServer, clock } = this.#parts;
    const plan = { binary: natsServer.path, nodes: options.natsNodes, folder: this.#natsFolder() };
    const surroundings = { root: projectRoot(), passwords: secrets.nats, env: plainEnvironment() };
    const specs = await natsSpecs({ ...plan, ...surroundings }, clock);
    await this.#launch(specs, this.#brokers, () => {
      lock.setBrokers(this.#brokers.flatMap((child) => child.pid() ?? []));
      this.#writeDevFile();
    });
  }

  /** Gives the admin token. Made and kept before the cluster learns of it, so that it is never lost. */
  async #init(secrets: DevSecrets, nats: readonly string[]): Promise<string> {
    const { options, clock, rng } = this.#parts;
    const admin = secrets.admin ?? makeToken('admin', rng);
    if (secrets.admin === undefined) saveSecrets(options.data, { ...secrets, admin });
    const access = { servers: nats, user: 'admin', password: secrets.nats.admin, incarnation: 'dev' };
    const plan = {
      replicas: options.natsNodes === 3 ? 3 : 1,
      partitions: 1,
      team: 'Belfry',
      adminToken: admin,
    } as const;
    const deadlineMs = clock.monotonicMs() + limits.provisionMs;
    for (;;) {
      try {
        await initCluster(access, plan, { clock, rng });
        return admin;
      } catch (error) {
        // Three servers need a moment to elect a leader; one needs none.
        if (options.natsNodes === 1 || clock.monotonicMs() > deadlineMs) throw error;
        await clock.sleep(initRetryMs, this.#lifecycle.draining);
      }
    }
  }

  async #startRoles(plan: RolePlan): Promise<void> {
    this.#lifecycle.onShutdown('roles', () => stopAll(this.#roles));
    await this.#launch(roleSpecs(plan), this.#roles, () => this.#writeDevFile());
  }

  /** Starts all at once and waits for all. @throws UsageError when one of them ends instead. */
  async #launch(specs: readonly ChildSpec[], into: SupervisedChild[], onChange: () => void): Promise<void> {
    const { clock, output } = this.#parts;
    const hooks = { onChange, say: (line: string) => output.err(`belfry dev: ${line}\n`) };
    const children = specs.map((spec) => new SupervisedChild(spec, clock, hooks));
    if (this.#lifecycle.draining.aborted) throw new UsageError('stopped');
    into.push(...children);
    const outcomes = children.map((child) => child.start().then((outcome) => ({ child, outcome })));
    const overdue = new AbortController();
    const late = clock.sleep(limits.startMs, overdue.signal).then(() => undefined);
    for (const pending of outcomes) {
      const started = await Promise.race([pending, late]);
      if (started?.outcome.kind === 'ready') continue;
      const who = started?.child.spec.id ?? 'a process';
      const why =
        started?.outcome.kind === 'ended' ? started.outcome.why : `not ready after ${limits.startMs / 1_000} s`;
      overdue.abort();
      const log = started?.child.spec.role === 'nats' ? `; see ${join(this.#natsFolder(), who)}.log` : '';
      throw new UsageError(`${who} did not start: ${why}${log}`);
    }
    overdue.abort();
  }

  #becomeReady(ready: DevReady): DevReady {
    if (this.#lifecycle.draining.aborted) throw new UsageError('stopped');
    this.#ready = ready;
    this.#lifecycle.onShutdown('dev_file', () => {
      this.#ready = undefined;
      removeDevFile(this.#parts.options.data);
    });
    this.#writeDevFile();
    return ready;
  }

  #writeDevFile(): void {
    if (this.#ready === undefined) return;
    const processes = [...this.#brokers, ...this.#roles].flatMap((child) => child.entry() ?? []);
    writeDevFile(this.#parts.options.data, { api: this.#ready.api, ...this.#ready.workspace, processes });
  }

  #apiPort(): number {
    return this.#roles.find((child) => child.spec.role === 'webapp')?.port ?? 0;
  }
}

const initRetryMs = 200;

async function stopAll(children: readonly SupervisedChild[]): Promise<void> {
  await Promise.all(children.map((child) => child.stop()));
}

/** Before anything starts: which port is taken is better said by us than by a process among many. */
async function checkPorts(options: DevOptions): Promise<void> {
  if (options.port === 0) return;
  const last = options.port + publicPorts(options) - 1;
  if (last > portMax) throw new UsageError(`--port ${options.port}: the last port would be ${last}, beyond ${portMax}`);
  for (let port = options.port; port <= last; port += 1) {
    if (!(await portIsFree(port)))
      throw new UsageError(`port ${port} is taken; choose another --port, or 0 for any free one`);
  }
}

const portMax = 65_535;

/** What the processes get of our environment: not our own options, which may mean something else to them. */
function plainEnvironment(): Record<string, string> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('BELFRY_') || name === 'BELFRY_DEBUG');
  return Object.fromEntries(own.map(([name, value]) => [name, value ?? '']));
}
