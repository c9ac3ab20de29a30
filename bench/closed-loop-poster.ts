/**
 * Posts in a closed loop: each connection has one post in flight and sends the next when it is answered, to a channel
 * drawn at random or to each channel once. Only for channels that nobody else posts to: that is how it can check them
 * (channel-ledger.ts).
 */
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { SeededRng } from '../platform/rng.ts';
import { ChannelLedger } from './channel-ledger.ts';
import { LatencyHistogram } from './histogram.ts';
import { formHead, formRequest, HttpConnection, type HttpAnswer } from './http-client.ts';
import { machineClock, type MachineClock } from './machine-clock.ts';
import { makeText } from './message-text.ts';
import { acknowledgedSeq, failureOf } from './post-answer.ts';

export type LoadChannel = { readonly id: string; readonly token: string };

export type PostsReport = { readonly posts: number; readonly latency: string; readonly failures: readonly string[] };

export type ClosedLoopOptions = {
  readonly api: string;
  readonly channels: readonly LoadChannel[];
  readonly connections: number;
  readonly bytes: number;
  readonly seed: number;
};

const failuresMax = 20;

export class ClosedLoopPoster {
  readonly #connections: readonly HttpConnection[];
  readonly #ledgers: readonly ChannelLedger[];
  readonly #heads: readonly string[];
  readonly #rng: SeededRng;
  readonly #bytes: number;
  readonly #clock: Clock;
  readonly #machine: MachineClock;
  #latency = new LatencyHistogram();
  #failures: string[] = [];
  #posts = 0;
  #ids = 0;

  constructor({ api, channels, connections, bytes, seed }: ClosedLoopOptions, clock: Clock) {
    this.#clock = clock;
    this.#machine = machineClock(clock);
    const { host, pathname } = new URL(api);
    this.#connections = Array.from({ length: connections }, () => new HttpConnection(api));
    this.#ledgers = channels.map(({ id }) => new ChannelLedger(id));
    this.#heads = channels.map(({ token }) => formHead(host, `${pathname}chat.postMessage`, token));
    this.#rng = new SeededRng(seed);
    this.#bytes = bytes;
  }

  get posts(): number {
    return this.#posts;
  }

  /** `once`: ends early when each channel had its post. */
  async run(seconds: number, once: boolean): Promise<PostsReport> {
    let channel = 0;
    const draw = once ? () => channel++ : () => this.#rng.int(this.#ledgers.length);
    this.#latency = new LatencyHistogram();
    this.#failures = [];
    this.#posts = 0;
    const endUs = this.#machine.nowUs() + seconds * 1e6;
    const overdue = this.#clock.setTimeout(() => this.#giveUp(), seconds * 1_000 + limits.benchSettleMs);
    await Promise.all(this.#connections.map((connection) => this.#loop(connection, endUs, draw)));
    overdue.cancel();
    const holes = this.#ledgers.flatMap((ledger) => ledger.check());
    return {
      posts: this.#posts,
      latency: this.#latency.encode(),
      failures: [...this.#failures, ...holes].slice(0, failuresMax),
    };
  }

  #giveUp(): void {
    for (const connection of this.#connections) connection.giveUp(`no answer in ${limits.benchSettleMs / 1_000} s`);
  }

  ledger(channel: string): readonly (readonly [number, number])[] {
    return this.#ledgers.find(({ id }) => id === channel)?.entries() ?? [];
  }

  /** One connection: post after post until the time is over. Callbacks, for a promise a post is load too. */
  #loop(connection: HttpConnection, endUs: number, draw: () => number): Promise<void> {
    return new Promise((resolve) => {
      const next = (): void => {
        const startUs = this.#machine.nowUs();
        if (startUs >= endUs) return resolve();
        const at = draw();
        const ledger = this.#ledgers[at];
        if (ledger === undefined) return resolve();
        const id = ++this.#ids;
        const floor = ledger.highestSeq;
        const text = makeText(id, startUs, this.#bytes);
        connection.send(formRequest(this.#heads[at] ?? '', { channel: ledger.id, text }), (answer) => {
          const ok = this.#take(answer, ledger, id, floor);
          this.#latency.record(this.#machine.nowUs() - startUs);
          // A connection that failed does not come back: the run has failed anyhow.
          if (ok || !(answer instanceof Error)) next();
          else resolve();
        });
      };
      next();
    });
  }

  #take(answer: HttpAnswer | Error, ledger: ChannelLedger, id: number, floor: number): boolean {
    const seq = answer instanceof Error ? undefined : acknowledgedSeq(answer);
    if (seq === undefined) {
      this.#fail(`a post failed: ${failureOf(answer)}`);
      return false;
    }
    this.#posts += 1;
    const wrong = ledger.acknowledge(seq, id, floor);
    if (wrong !== undefined) this.#fail(wrong);
    return true;
  }

  #fail(reason: string): void {
    if (this.#failures.length < failuresMax) this.#failures.push(reason);
  }
}
