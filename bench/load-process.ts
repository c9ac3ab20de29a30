/**
 * Load comes from processes of its own, so that the harness's work is not counted as the servers', one event loop is
 * not the limit, and CPU is known by process. This is the harness's end; load-server.ts is the process's, load-port.ts
 * and machines.ts are the ways between them.
 *
 * A scenario writes down its calls as a LoadContract: what crosses is plain data, one answer per call.
 *
 * J1  A call settles: with the process's answer, or rejected when the process fails, ends or the run is interrupted.
 * J2  Every load process answers the calls of `ownCalls` besides its contract's.
 */
import type { LoadAnswer, LoadContract, LoadPort, LoadPortHandlers } from './load-port.ts';
import type { ClientUse } from './self-meter.ts';

/** Answered by load-server.ts for every load (J2); no contract has names like these. */
export const ownCalls = { setUp: '@setUp', beginWatch: '@beginWatch', endWatch: '@endWatch' } as const;
/** What every load process is told before anything else. `clockOffsetUs`: from its machine's clock to ours. */
export type LoadSetUp = { readonly sourceAddresses: number; readonly clockOffsetUs: number };

type Waiter = { resolve(value: unknown): void; reject(error: Error): void };

export class LoadProcess<Contract extends LoadContract> {
  readonly #port: LoadPort;
  readonly #waiters = new Map<number, Waiter>();
  #calls = 0;
  #ended: string | undefined;

  constructor(open: (handlers: LoadPortHandlers) => LoadPort, signal: AbortSignal, setUp: LoadSetUp) {
    this.#port = open({ onAnswer: (answer) => this.#settle(answer), onEnd: (why) => this.#end(why) });
    // The first of its calls, so it is done before any other; should it fail, so do the others.
    this.#request(ownCalls.setUp, setUp).catch(() => undefined);
    signal.addEventListener('abort', () => this.#failAll('interrupted'), { once: true });
  }

  /** 0 where it is not on this machine. */
  get pid(): number {
    return this.#port.pid;
  }

  call<Method extends keyof Contract & string>(
    method: Method,
    params: Contract[Method]['params'],
  ): Promise<Contract[Method]['result']> {
    return this.#request(method, params);
  }

  /** From here on the process watches its own CPU and lag (J2). */
  async beginWatch(): Promise<void> {
    await this.#request(ownCalls.beginWatch, null);
  }

  async endWatch(): Promise<ClientUse> {
    return (await this.#request(ownCalls.endWatch, null)) as ClientUse;
  }

  stop(): Promise<void> {
    return this.#port.stop();
  }

  #request(method: string, params: unknown): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(new Error(this.#ended));
    this.#calls += 1;
    const id = this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject });
      this.#port.send({ id, method, params });
    });
  }

  #settle(answer: LoadAnswer): void {
    const waiter = this.#waiters.get(answer.id);
    this.#waiters.delete(answer.id);
    if (answer.ok) waiter?.resolve(answer.result);
    else waiter?.reject(new Error(answer.error));
  }

  #end(why: string): void {
    this.#ended ??= why;
    this.#failAll(why);
  }

  #failAll(why: string): void {
    for (const waiter of this.#waiters.values()) waiter.reject(new Error(why));
    this.#waiters.clear();
  }
}
