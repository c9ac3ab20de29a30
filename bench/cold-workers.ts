/**
 * A `belfry dev` whose workers can be made to know nothing: all are killed, and their successors have every slot and not
 * one channel. What is then posted to a channel first has to be read from the log.
 */
import type { DevInstance } from './dev-instance.ts';
import { FailoverCluster } from './failover-cluster.ts';
import type { RunContext } from './scenario.ts';

export class ColdWorkers {
  readonly #cluster: FailoverCluster;

  static async open(context: RunContext, instance: DevInstance, workers: number): Promise<ColdWorkers> {
    return new ColdWorkers(await FailoverCluster.open(context, instance, workers));
  }

  private constructor(cluster: FailoverCluster) {
    this.#cluster = cluster;
  }

  /** Resolves when the successors serve every slot. */
  async restart(): Promise<void> {
    const workers = this.#cluster.running('worker');
    for (const { pid } of workers) this.#cluster.signal(pid, 'SIGKILL');
    for (const worker of workers) await this.#cluster.isBack(worker);
    await this.#cluster.settled();
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }
}
