/**
 * Load comes from processes of its own, so that the harness's work is not counted as the servers', one event loop is
 * not the limit, and CPU is known by process. This is the parent's end; load-server.ts is the child's.
 *
 * A scenario writes down its calls as a LoadContract: what crosses is plain data, one answer per call, so that a later
 * transport can reach load on other machines.
 *
 * J1  A child ends with its parent (its channel closes), and with stop().
 * J2  A call settles: with the child's answer, or rejected when the child fails, ends or the run is interrupted.
 * J3  Every child answers the calls of `ownCalls` besides its contract's.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClientUse } from './self-meter.ts';

/** A call's name, what it takes and what it answers. */
export type LoadContract = { readonly [method: string]: { readonly params: unknown; readonly result: unknown } };
export type LoadRequest = { readonly id: number; readonly method: string; readonly params: unknown };
export type LoadAnswer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string };

/** Answered by load-server.ts for every load (J3); no contract has names like these. */
export const ownCalls = { setUp: '@setUp', beginWatch: '@beginWatch', endWatch: '@endWatch' } as const;
/** What every load process is told before anything else. */
export type LoadSetUp = { readonly sourceAddresses: number };

type Waiter = { resolve(value: unknown): void; reject(error: Error): void };

/** The file `name` (from this folder, without its ending), compiled or as source. */
export function loadFile(name: string): string {
  return fileURLToPath(new URL(`${name}${extname(import.meta.url)}`, import.meta.url));
}

export class LoadProcess<Contract extends LoadContract> {
  readonly #child: ChildProcess;
  readonly #waiters = new Map<number, Waiter>();
  #calls = 0;

  constructor(file: string, signal: AbortSignal, setUp: LoadSetUp) {
    // A group of its own would outlive Ctrl-C; in ours it gets the signal too, and ignores it (J1).
    this.#child = fork(file, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv,
    });
    this.#child.on('message', (answer) => this.#settle(answer as LoadAnswer));
    this.#child.on('error', (cause) => this.#failAll(new Error('load process failed', { cause })));
    this.#child.on('exit', (code, why) => this.#failAll(new Error(`load process ended (${why ?? code})`)));
    // The first of its calls, so it is done before any other; should it fail, so do the others.
    this.#request(ownCalls.setUp, setUp).catch(() => undefined);
    signal.addEventListener('abort', () => this.#failAll(new Error('interrupted')), { once: true });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call<Method extends keyof Contract & string>(
    method: Method,
    params: Contract[Method]['params'],
  ): Promise<Contract[Method]['result']> {
    return this.#request(method, params);
  }

  /** From here on the process watches its own CPU and lag (J3). */
  async beginWatch(): Promise<void> {
    await this.#request(ownCalls.beginWatch, null);
  }

  async endWatch(): Promise<ClientUse> {
    return (await this.#request(ownCalls.endWatch, null)) as ClientUse;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  #request(method: string, params: unknown): Promise<unknown> {
    this.#calls += 1;
    const id = this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject });
      this.#child.send({ id, method, params } satisfies LoadRequest, (error) => {
        if (error !== null) this.#fail(id, error);
      });
    });
  }

  #settle(answer: LoadAnswer): void {
    const waiter = this.#waiters.get(answer.id);
    this.#waiters.delete(answer.id);
    if (answer.ok) waiter?.resolve(answer.result);
    else waiter?.reject(new Error(answer.error));
  }

  #fail(id: number, error: Error): void {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    waiter?.reject(error);
  }

  #failAll(error: Error): void {
    for (const id of [...this.#waiters.keys()]) this.#fail(id, error);
  }
}

/** Load processes are not to be profiled or inspected with the harness. */
const execArgv: string[] = ['--enable-source-maps'];

/** Starts `count` of them. */
export function startLoad<Contract extends LoadContract>(
  name: string,
  count: number,
  signal: AbortSignal,
  setUp: LoadSetUp,
): LoadProcess<Contract>[] {
  return Array.from({ length: count }, () => new LoadProcess<Contract>(loadFile(name), signal, setUp));
}
