/**
 * The cluster that is tormented: a `belfry dev` of three workers, two gateways and two webapps, and one more worker that
 * reaches the broker only through a proxy. Processes are named by role and id, and found by their number as it is now.
 *
 * C1  Only processes of this cluster are signalled, each by its own number.
 * C2  stop() ends everything, frozen processes included.
 */
import { api } from '../support/api.ts';
import type { CliRun } from '../support/belfry-cli.ts';
import { startBelfryDev, type BelfryDev } from '../support/belfry-dev.ts';
import { natsPortOf, spawnRoleBeside } from '../support/role-beside.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { ChannelOwners } from './channel-owners.ts';

export type ChaosRole = 'nats' | 'webapp' | 'worker' | 'gateway';
export interface Victim {
  readonly role: ChaosRole;
  readonly id: string;
  readonly pid: number;
}

export interface ClusterSize {
  readonly workers: number;
  readonly gateways: number;
  readonly webapps: number;
  /** A worker behind the proxy, besides those. */
  readonly proxied: boolean;
  /** Absent: one. */
  readonly natsNodes?: 1 | 3;
  /** A program in the place of nats-server. */
  readonly natsServer?: string;
}

interface NodeState {
  readonly id: string;
  readonly pid: number;
  readonly state: string;
  readonly slots: number;
}

const settleMs = 45_000;
/** Each look asks a webapp, which asks every node. */
const settlePollMs = 100;
/** As `belfry dev` waits. */
const restartMs = 1_000;
export const proxiedId = 'worker-far';

export class ChaosCluster {
  readonly dev: BelfryDev;
  readonly proxy: TcpProxy | undefined;
  readonly owners: ChannelOwners;
  readonly #size: ClusterSize;
  readonly #frozen = new Set<number>();
  readonly #apis = new Map<string, string>();
  #far: CliRun | undefined;
  #farLog = '';
  #isFarWanted = false;

  static async start(size: ClusterSize, logLevel = 'error'): Promise<ChaosCluster> {
    const nats = ['--nats-nodes', String(size.natsNodes ?? 1)];
    if (size.natsServer !== undefined) nats.push('--nats-server', size.natsServer);
    const dev = await startBelfryDev({
      ...{ workers: size.workers, gateways: size.gateways, webapps: size.webapps },
      args: ['--rate-limits', 'off', '--log-level', logLevel, ...nats],
    });
    const proxy = size.proxied ? await TcpProxy.start(natsPortOf(dev)) : undefined;
    const cluster = new ChaosCluster(dev, proxy, size, await ChannelOwners.open(dev));
    try {
      if (proxy !== undefined) cluster.#startFar(logLevel);
      await cluster.settled();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  private constructor(dev: BelfryDev, proxy: TcpProxy | undefined, size: ClusterSize, owners: ChannelOwners) {
    this.dev = dev;
    this.proxy = proxy;
    this.owners = owners;
    this.#size = size;
  }

  /** Base URLs of all webapps, also of one that is down: its port stays. */
  get apis(): readonly string[] {
    const webapps = this.dev.file.processes.filter(({ role }) => role === 'webapp');
    for (const { id, port } of webapps) this.#apis.set(id, `http://127.0.0.1:${port}/api/`);
    return [...this.#apis.values()];
  }

  /** What runs and is ready, frozen ones left out. */
  running(role: ChaosRole): Victim[] {
    const listed = this.dev.file.processes.filter((process) => process.role === role && !this.#frozen.has(process.pid));
    return listed.map(({ id, pid }) => ({ role, id, pid }));
  }

  signal({ pid }: Victim, signal: NodeJS.Signals): boolean {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw error;
    }
    if (signal === 'SIGSTOP') this.#frozen.add(pid);
    if (signal === 'SIGCONT') this.#frozen.delete(pid);
    return true;
  }

  /** Whether the id runs again, as another process. */
  isBack({ id, pid }: Victim): boolean {
    return this.dev.file.processes.some((process) => process.id === id && process.pid !== pid);
  }

  /**
   * Every process is there and every worker has its share of the slots, none in hand-off. The one behind the proxy may
   * be away: on a busy machine our own delays cut it off.
   */
  async settled(deadlineMs = settleMs): Promise<void> {
    const { workers, gateways, webapps, natsNodes = 1 } = this.#size;
    const wanted = { workers, gateways, webapps };
    let last = '';
    const look = async () => {
      if (this.dev.file.processes.length !== workers + gateways + webapps + natsNodes) {
        last = JSON.stringify(this.dev.file.processes);
        return false;
      }
      const info = await this.info();
      last = JSON.stringify(info);
      return info !== undefined && isSettled(info, wanted);
    };
    await until('the cluster to settle', look, deadlineMs, settlePollMs).catch((error: unknown) => {
      throw new Error(`the cluster did not settle: ${last}`, { cause: error });
    });
  }

  /** belfry.cluster.info of any webapp that answers. */
  async info(): Promise<Record<string, unknown> | undefined> {
    for (const base of this.apis) {
      try {
        return await api(base, 'belfry.cluster.info', this.dev.file.admin);
      } catch {
        // The next webapp may answer.
      }
    }
    return undefined;
  }

  /** What the processes logged. */
  log(): string {
    return `${this.dev.run.stderr()}\n${this.#farLog}${this.#far?.stderr() ?? ''}`;
  }

  /** The worker behind the proxy leaves for good, as an operator would have it. */
  async retireFar(): Promise<void> {
    this.#isFarWanted = false;
    this.proxy?.heal();
    this.#far?.child.kill('SIGTERM');
    await this.#far?.ended;
  }

  async stop(): Promise<void> {
    this.#isFarWanted = false;
    for (const pid of this.#frozen) this.signal({ role: 'worker', id: '', pid }, 'SIGCONT');
    this.proxy?.heal();
    this.#far?.child.kill('SIGKILL');
    await this.#far?.ended;
    await this.owners.close();
    await this.dev.stop();
    await this.proxy?.stop();
  }

  /** Starts it again whenever it has ended, as a supervisor does. */
  #startFar(logLevel: string): void {
    const args = ['--id', proxiedId, '--log-level', logLevel];
    const begin = () => {
      const run = spawnRoleBeside(this.dev, 'worker', this.proxy?.port ?? 0, args);
      this.#far = run;
      void run.ended.then(() => {
        this.#farLog += run.stderr();
        if (this.#isFarWanted) setTimeout(() => this.#isFarWanted && begin(), restartMs);
      });
    };
    this.#isFarWanted = true;
    begin();
  }
}

function isSettled(
  info: Record<string, unknown>,
  wanted: { readonly workers: number; readonly gateways: number; readonly webapps: number },
): boolean {
  const nodes = (key: string) => (info[key] ?? []) as NodeState[];
  const counts = Object.entries(wanted).every(([key, count]) => nodes(key).length >= count);
  const serving = Object.keys(wanted).every((key) => nodes(key).every(({ state }) => state === 'serving'));
  const own = nodes('workers').filter(({ id }) => id !== proxiedId);
  if (own.length !== wanted.workers) return false;
  const shares = nodes('workers').map(({ slots }) => slots);
  const slots = info['slots'] as { readonly handoff: number; readonly orphaned: number };
  const even = Math.max(...shares) - Math.min(...shares) <= 0.05 * Math.max(...shares);
  return counts && serving && even && slots.handoff === 0 && slots.orphaned === 0;
}
