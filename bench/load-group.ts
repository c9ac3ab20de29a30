/**
 * The load processes of a scenario that do the same: calls to all of them, and an eye on how busy they are. With machines
 * joined, this one and those take turns: the first process is here, the next on the first machine, and so on.
 */
import { forkLoad, type LoadContract } from './load-port.ts';
import { LoadProcess } from './load-process.ts';
import type { RunContext } from './scenario.ts';
import type { ClientUse } from './self-meter.ts';
import type { WatchedLoad } from './stretch.ts';

/** The calls of a contract that answer with a count. */
type Counting<Contract extends LoadContract> = {
  [Method in keyof Contract & string]: Contract[Method]['result'] extends number ? Method : never;
}[keyof Contract & string];

export class LoadGroup<Contract extends LoadContract> implements WatchedLoad {
  readonly #processes: readonly LoadProcess<Contract>[];

  constructor(name: string, count: number, context: RunContext) {
    this.#processes = Array.from({ length: count }, (_, at) => startLoad<Contract>(name, at, context));
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

function startLoad<Contract extends LoadContract>(
  name: string,
  at: number,
  context: RunContext,
): LoadProcess<Contract> {
  const { signal, sourceAddresses, machines } = context;
  const place = at % ((machines?.count ?? 0) + 1);
  if (machines === undefined || place === 0) {
    return new LoadProcess((handlers) => forkLoad(name, handlers), signal, { sourceAddresses, clockOffsetUs: 0 });
  }
  const setUp = { sourceAddresses, clockOffsetUs: machines.clockOffsetUs(place - 1) };
  return new LoadProcess((handlers) => machines.openLoad(place - 1, name, handlers), signal, setUp);
}
