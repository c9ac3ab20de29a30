/**
 * The cluster whose processes are killed: who runs now, who owns which channel, and whether all is well again.
 *
 * F1  Only processes that dev.json lists are signalled, each by its number as it is now.
 * F2  The owner of a channel is read from the table in the cluster's bucket, not guessed from what fails.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Broker } from '../broker/broker.ts';
import { connectNats } from '../broker/nats-broker.ts';
import { BUCKET_CLUSTER } from '../broker/subjects.ts';
import { slotOf } from '../cluster/slots.ts';
import { TABLE_KEY } from '../cluster/table-follower.ts';
import { assert } from '../platform/assert.ts';
import { createLogger } from '../platform/logger.ts';
import type { SlotRow } from '../protocol/cluster.ts';
import { makeIncarnation, parseNodeId, parseStreamId } from '../protocol/ids.ts';
import { decodeTable } from '../protocol/table-codec.ts';
import { callApi } from './api-client.ts';
import { readDevFile, readNatsPassword, type DevFile } from './dev-file.ts';
import type { DevInstance } from './dev-instance.ts';
import { readNatsVersion } from './nats-info.ts';
import type { RunContext } from './scenario.ts';

export type Process = DevFile['processes'][number];
type Node = { readonly state: string; readonly slots: number };

const pollMs = 25;
const natsPollMs = 2;
const settleMs = 60_000;

export class FailoverCluster {
  readonly #context: RunContext;
  readonly #instance: DevInstance;
  readonly #broker: Broker;
  readonly #workers: number;
  readonly #frozen = new Set<number>();

  static async open(context: RunContext, instance: DevInstance, workers: number): Promise<FailoverCluster> {
    const { clock, rng } = context;
    const id = parseNodeId('bench');
    assert(id !== undefined, 'failover/node-id');
    const broker = await connectNats({
      ...{ servers: [`nats://127.0.0.1:${instance.natsPort}`], user: 'webapp', records: false, clock },
      ...{ password: readNatsPassword(instance.folder, 'webapp'), incarnation: makeIncarnation(id, rng) },
      logger: createLogger({ role: 'bench', id, level: 'silent' }),
    });
    return new FailoverCluster(context, instance, broker, workers);
  }

  private constructor(context: RunContext, instance: DevInstance, broker: Broker, workers: number) {
    this.#context = context;
    this.#instance = instance;
    this.#broker = broker;
    this.#workers = workers;
  }

  async close(): Promise<void> {
    for (const pid of this.#frozen) this.signal(pid, 'SIGCONT');
    await this.#broker.close();
  }

  running(role: string): Process[] {
    return (readDevFile(this.#instance.folder) ?? this.#instance.dev).processes.filter((one) => one.role === role);
  }

  signal(pid: number, signal: NodeJS.Signals): void {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    if (signal === 'SIGSTOP') this.#frozen.add(pid);
    if (signal === 'SIGCONT') this.#frozen.delete(pid);
  }

  /** Kills all workers: their successors know no channel. Resolves when those serve every slot. */
  async replaceWorkers(): Promise<void> {
    const workers = this.running('worker');
    for (const { pid } of workers) this.signal(pid, 'SIGKILL');
    for (const worker of workers) await this.isBack(worker);
    await this.settled();
  }

  /** The id of the worker that serves each channel (F2). */
  async owners(channels: readonly string[]): Promise<Map<string, string>> {
    const rows = await this.#table();
    return new Map(
      channels.map((channel) => {
        const stream = parseStreamId(channel);
        assert(stream !== undefined, 'failover/channel-id', { channel });
        const { owner = '', from, state } = rows[slotOf(stream)] ?? { owner: '', from: undefined, state: 'stable' };
        const holder = state === 'handoff' ? (from ?? owner) : owner;
        return [channel, holder.slice(0, holder.lastIndexOf('-'))];
      }),
    );
  }

  async isGone(victim: Process): Promise<void> {
    await this.#until(
      `${victim.id} to be gone`,
      () => !this.running(victim.role).some(({ pid }) => pid === victim.pid),
    );
  }

  async isBack(victim: Process): Promise<void> {
    const look = () => this.running(victim.role).some(({ id, pid }) => id === victim.id && pid !== victim.pid);
    await this.#until(`${victim.id} to be back`, look);
  }

  /** Resolves when the broker accepts clients again, which it does once its log is recovered. */
  async brokerIsUp(): Promise<void> {
    const look = () =>
      readNatsVersion(this.#instance.natsPort).then(
        () => true,
        () => false,
      );
    await this.#until('nats-server to accept clients', look, natsPollMs);
  }

  /** Every worker serves its share, and no slot is on its way. */
  async settled(): Promise<void> {
    const look = async () => {
      const info = await this.#info();
      const workers = (info?.['workers'] ?? []) as readonly Node[];
      const shares = workers.map(({ slots }) => slots);
      const slots = (info?.['slots'] ?? {}) as { readonly owned?: number; readonly total?: number };
      const well = workers.length === this.#workers && workers.every(({ state }) => state === 'serving');
      return well && slots.owned === slots.total && Math.max(...shares) - Math.min(...shares) <= this.#workers;
    };
    await this.#until('the cluster to settle', look);
  }

  /** Bytes that the broker has on disk. */
  storeBytes(): number {
    const folder = join(this.#instance.folder, 'nats');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    return files.reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);
  }

  async #table(): Promise<readonly SlotRow[]> {
    const read = await this.#broker.kv(BUCKET_CLUSTER).get(TABLE_KEY);
    if (read.kind !== 'found') throw new Error(`the table cannot be read: ${read.kind}`);
    return decodeTable(read.entry.value).rows;
  }

  #info(): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { api, admin } = this.#instance.dev;
    return callApi(api, { method: 'belfry.cluster.info', token: admin, fields: {} }).catch(() => undefined);
  }

  async #until(what: string, look: () => boolean | Promise<boolean>, everyMs = pollMs): Promise<void> {
    const { clock, signal } = this.#context;
    const deadlineMs = clock.monotonicMs() + settleMs;
    while (!(await look())) {
      if (clock.monotonicMs() > deadlineMs) throw new Error(`waited ${settleMs / 1_000} s for ${what}`);
      if (!(await clock.sleep(everyMs, signal))) throw new Error('interrupted');
    }
  }
}
