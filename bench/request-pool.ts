/**
 * Requests that do not wait for one another, over a pool of keep-alive connections. One that finds none free waits its
 * turn: who measures counts from when it was due, so the wait shows.
 *
 * L1  What waits is bounded (`benchBacklogMessagesMax`). Beyond, a request is refused: the server cannot keep up.
 * L2  Every request that was taken is told its end, an error included.
 * L3  A connection that ended while it rested is replaced; one that failed under a request is not.
 */
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { HttpConnection, type HttpAnswer } from './http-client.ts';

/** `make`: called when it is sent. */
type Waiting = { readonly make: () => string; readonly done: (answer: HttpAnswer | Error) => void };

export class RequestPool {
  readonly #api: string;
  readonly #clock: Clock;
  readonly #all = new Set<HttpConnection>();
  readonly #free: HttpConnection[];
  readonly #backlog: Waiting[] = [];
  #inFlight = 0;
  #onIdle: (() => void) | undefined;

  constructor(api: string, connections: number, clock: Clock) {
    this.#api = api;
    this.#clock = clock;
    this.#free = Array.from({ length: connections }, () => this.#connect());
  }

  /** False: refused (L1), and `done` is not called. */
  request(make: () => string, done: (answer: HttpAnswer | Error) => void): boolean {
    const connection = this.#free.pop();
    if (connection !== undefined) this.#send(this.#usable(connection), { make, done });
    else if (this.#backlog.length < limits.benchBacklogMessagesMax) this.#backlog.push({ make, done });
    else return false;
    return true;
  }

  /** Resolves when every request has its answer; those that get none in `benchSettleMs` are given up. */
  async idle(): Promise<void> {
    const overdue = this.#clock.setTimeout(() => this.#giveUp(), limits.benchSettleMs);
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    overdue.cancel();
  }

  close(): void {
    for (const connection of this.#all) connection.close();
  }

  /** Servers close connections that rest for some seconds (L3). */
  #usable(connection: HttpConnection): HttpConnection {
    if (!connection.ended) return connection;
    this.#all.delete(connection);
    return this.#connect();
  }

  #connect(): HttpConnection {
    const connection = new HttpConnection(this.#api);
    this.#all.add(connection);
    return connection;
  }

  #giveUp(): void {
    this.#endBacklog(new Error('never sent'));
    for (const connection of this.#all) connection.giveUp(`no answer in ${limits.benchSettleMs / 1_000} s`);
  }

  #send(connection: HttpConnection, { make, done }: Waiting): void {
    this.#inFlight += 1;
    connection.send(make(), (answer) => {
      this.#inFlight -= 1;
      done(answer);
      // A connection that failed does not come back.
      if (!(answer instanceof Error)) this.#next(connection);
      if (this.#inFlight > 0) return;
      if (answer instanceof Error) this.#endBacklog(answer);
      this.#onIdle?.();
    });
  }

  #next(connection: HttpConnection): void {
    const next = this.#backlog.shift();
    if (next === undefined) this.#free.push(connection);
    else this.#send(connection, next);
  }

  #endBacklog(reason: Error): void {
    for (const { done } of this.#backlog.splice(0)) done(reason);
  }
}
