/**
 * Posts on a fixed schedule over a pool of keep-alive connections. A post that finds none free waits its turn; its
 * latency counts from when it was due.
 */
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { LatencyHistogram } from './histogram.ts';
import { formHead, formRequest, HttpConnection, type HttpAnswer } from './http-client.ts';
import { machineClock, type MachineClock } from './machine-clock.ts';
import { makeText } from './message-text.ts';
import { acknowledgedSeq, failureOf } from './post-answer.ts';

export type PosterOptions = {
  readonly api: string;
  readonly token: string;
  readonly channel: string;
  readonly connections: number;
  readonly bytes: number;
};

export type PosterReport = {
  readonly acknowledged: number;
  readonly highestSeq: number;
  readonly latency: string;
  readonly failures: readonly string[];
};

type Waiting = { readonly id: number; readonly dueUs: number };

const failuresMax = 20;

export class OpenLoopPoster {
  readonly #options: PosterOptions;
  readonly #clock: Clock;
  readonly #machine: MachineClock;
  readonly #head: string;
  readonly #all: readonly HttpConnection[];
  readonly #free: HttpConnection[];
  readonly #backlog: Waiting[] = [];
  readonly #latency = new LatencyHistogram();
  readonly #failures: string[] = [];
  #inFlight = 0;
  #acknowledged = 0;
  #highestSeq = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: PosterOptions, clock: Clock) {
    const { host, pathname } = new URL(options.api);
    this.#options = options;
    this.#clock = clock;
    this.#machine = machineClock(clock);
    this.#head = formHead(host, `${pathname}chat.postMessage`, options.token);
    this.#all = Array.from({ length: options.connections }, () => new HttpConnection(options.api));
    this.#free = [...this.#all];
  }

  post(id: number, dueUs: number): void {
    const connection = this.#free.pop();
    if (connection !== undefined) this.#send(connection, { id, dueUs });
    else if (this.#backlog.length < limits.benchBacklogMessagesMax) this.#backlog.push({ id, dueUs });
    else this.#fail('the server is so far behind that posts were given up');
  }

  /** Resolves when every post has its answer. */
  async finish(): Promise<PosterReport> {
    const overdue = this.#clock.setTimeout(() => this.#giveUp(), limits.benchSettleMs);
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    overdue.cancel();
    for (const connection of this.#all) connection.close();
    return {
      acknowledged: this.#acknowledged,
      highestSeq: this.#highestSeq,
      latency: this.#latency.encode(),
      failures: this.#failures,
    };
  }

  #giveUp(): void {
    this.#backlog.length = 0;
    for (const connection of this.#all) connection.giveUp(`no answer in ${limits.benchSettleMs / 1_000} s`);
  }

  #send(connection: HttpConnection, waiting: Waiting): void {
    const text = makeText(waiting.id, waiting.dueUs, this.#options.bytes);
    this.#inFlight += 1;
    connection.send(formRequest(this.#head, { channel: this.#options.channel, text }), (answer) => {
      this.#inFlight -= 1;
      this.#take(answer, waiting);
      if (answer instanceof Error) return this.#idle();
      const next = this.#backlog.shift();
      if (next !== undefined) return this.#send(connection, next);
      this.#free.push(connection);
      this.#idle();
    });
  }

  #idle(): void {
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  #take(answer: HttpAnswer | Error, { dueUs }: Waiting): void {
    const seq = answer instanceof Error ? undefined : acknowledgedSeq(answer);
    if (seq === undefined) return this.#fail(`a post failed: ${failureOf(answer)}`);
    this.#acknowledged += 1;
    this.#highestSeq = Math.max(this.#highestSeq, seq);
    this.#latency.record(this.#machine.nowUs() - dueUs);
  }

  #fail(reason: string): void {
    if (this.#failures.length < failuresMax) this.#failures.push(reason);
  }
}
