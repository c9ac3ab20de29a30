/**
 * Posts on a fixed schedule over a pool of keep-alive connections. A post that finds none free waits its turn; its
 * latency counts from when it was due.
 */
import type { Clock } from '../platform/clock.ts';
import { LatencyHistogram } from './histogram.ts';
import { formHead, formRequest, type HttpAnswer } from './http-client.ts';
import { machineClock, type MachineClock } from './machine-clock.ts';
import { makeText } from './message-text.ts';
import { acknowledgedSeq, failureOf } from './post-answer.ts';
import { RequestPool } from './request-pool.ts';

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

const failuresMax = 20;

export class OpenLoopPoster {
  readonly #options: PosterOptions;
  readonly #machine: MachineClock;
  readonly #head: string;
  readonly #pool: RequestPool;
  readonly #latency = new LatencyHistogram();
  readonly #failures: string[] = [];
  #acknowledged = 0;
  #highestSeq = 0;

  constructor(options: PosterOptions, clock: Clock) {
    const { host, pathname } = new URL(options.api);
    this.#options = options;
    this.#machine = machineClock(clock);
    this.#head = formHead(host, `${pathname}chat.postMessage`, options.token);
    this.#pool = new RequestPool(options.api, options.connections, clock);
  }

  post(id: number, dueUs: number): void {
    const { channel, bytes } = this.#options;
    const make = () => formRequest(this.#head, { channel, text: makeText(id, dueUs, bytes) });
    if (this.#pool.request(make, (answer) => this.#take(answer, dueUs))) return;
    this.#fail('the server is so far behind that posts were given up');
  }

  /** Resolves when every post has its answer. */
  async finish(): Promise<PosterReport> {
    await this.#pool.idle();
    this.#pool.close();
    return {
      acknowledged: this.#acknowledged,
      highestSeq: this.#highestSeq,
      latency: this.#latency.encode(),
      failures: this.#failures,
    };
  }

  #take(answer: HttpAnswer | Error, dueUs: number): void {
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
