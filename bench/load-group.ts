/** The load processes of a scenario that do the same: calls to all of them, and an eye on how busy they are. */
import { startLoad, type LoadContract, type LoadProcess } from './load-process.ts';
import type { RunContext } from './scenario.ts';
import type { ClientUse } from './self-meter.ts';
import type { WatchedLoad } from './stretch.ts';

/** The calls of a contract that answer with a count. */
type Counting<Contract extends LoadContract> = {
  [Method in keyof Contract & string]: Contract[Method]['result'] extends number ? Method : never;
}[keyof Contract & string];

export class LoadGroup<Contract extends LoadContract> implements WatchedLoad {
  readonly #processes: readonly LoadProcess<Contract>[];

  constructor(name: string, count: number, { signal, sourceAddresses }: RunContext) {
    this.#processes = startLoad<Contract>(name, count, signal, { sourceAddresses });
  }

  get size(): number {
    return this.#processes.length;
  }

  pids(): number[] {
    return this.#processes.map(({ pid }) => pid);
  }

  callAll<Method extends keyof Contract & string>(
    method: Method,
    params: Contract[Method]['params'],
  ): Promise<Contract[Method]['result'][]> {
    return this.callEach(method, () => params);
  }

  callEach<Method extends keyof Contract & string>(
    method: Method,
    params: (at: number) => Contract[Method]['params'],
  ): Promise<Contract[Method]['result'][]> {
    return Promise.all(this.#processes.map((load, at) => load.call(method, params(at))));
  }

  /** The sum of what the processes answer: something that grows, to be shown while it does. */
  progress(method: Counting<Contract>, noun: string): { noun: string; count(): Promise<number> } {
    const count = async () => (await this.callAll(method, null)).reduce<number>((sum, one) => sum + Number(one), 0);
    return { noun, count };
  }

  async beginWatch(): Promise<void> {
    await Promise.all(this.#processes.map((load) => load.beginWatch()));
  }

  endWatch(): Promise<ClientUse[]> {
    return Promise.all(this.#processes.map((load) => load.endWatch()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((load) => load.stop()));
  }
}
