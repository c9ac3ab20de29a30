/**
 * Posts to one channel, one after another, through everything: each with a client_msg_id and repeated with it until it
 * is acknowledged. Remembers every acknowledgement, so that pauses can be told afterwards.
 *
 * P1  One post under way; the next one is due a period after the last was sent, or at once when hurry() is called.
 * P2  An answer that is neither an acknowledgement nor a retryable 503 is a failure.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../platform/clock.ts';
import type { BenchChannel } from './bench-workspace.ts';
import { ChannelLedger } from './channel-ledger.ts';
import { formHead, formRequest, HttpConnection, type HttpAnswer } from './http-client.ts';
import { makeText } from './message-text.ts';
import { failureOf } from './post-answer.ts';

export type Acknowledged = {
  /** Monotonic milliseconds. */
  readonly sentMs: number;
  readonly atMs: number;
  /** When its owner decided it, in milliseconds since 1970. */
  readonly decidedMs: number;
  /** Answers before it that said: try again. */
  readonly refusals: number;
};

const retryMs = 10;
const textBytes = 100;
const failuresMax = 5;

export class FailoverPoster {
  readonly channel: string;
  readonly acks: Acknowledged[] = [];
  readonly failures: string[] = [];
  readonly #api: string;
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #head: string;
  readonly #ledger: ChannelLedger;
  readonly #posted = new Map<number, number>();
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #hurry = new AbortController();
  #connection: HttpConnection | undefined;
  #posts = 0;

  constructor(api: string, { id, token }: BenchChannel, clock: Clock, periodMs: number) {
    const { host, pathname } = new URL(api);
    this.channel = id;
    this.#api = api;
    this.#clock = clock;
    this.#periodMs = periodMs;
    this.#head = formHead(host, `${pathname}chat.postMessage`, token);
    this.#ledger = new ChannelLedger(id);
    this.#ended = this.#run();
  }

  /** Posts now, if it waits for its next turn: a pause is then not longer for having begun in a rest. */
  hurry(): void {
    this.#hurry.abort();
  }

  /** Resolves when the post under way is acknowledged. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.hurry();
    await this.#ended;
    this.#connection?.close();
  }

  /** Post number by seq. */
  get posted(): ReadonlyMap<number, number> {
    return this.#posted;
  }

  check(): string[] {
    return [...this.failures, ...this.#ledger.check()];
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const sentMs = this.#clock.monotonicMs();
      await this.#post(sentMs);
      const restMs = sentMs + this.#periodMs - this.#clock.monotonicMs();
      this.#hurry = new AbortController();
      if (restMs > 0 && !this.#stop.signal.aborted) await this.#clock.sleep(restMs, this.#hurry.signal);
    }
  }

  async #post(sentMs: number): Promise<void> {
    const number = this.#posts++;
    const floor = this.#ledger.highestSeq;
    const fields = { channel: this.channel, text: makeText(number, sentMs, textBytes), client_msg_id: randomUUID() };
    const request = formRequest(this.#head, fields);
    for (let refusals = 0; ; refusals += 1) {
      const answer = await this.#ask(request);
      const acked = answer instanceof Error ? undefined : acknowledgementOf(answer);
      if (acked !== undefined) {
        const wrong = this.#ledger.acknowledge(acked.seq, number, floor);
        if (wrong !== undefined) this.#fail(wrong);
        this.#posted.set(acked.seq, number);
        this.acks.push({ sentMs, atMs: this.#clock.monotonicMs(), decidedMs: acked.decidedMs, refusals });
        return;
      }
      if (answer instanceof Error) this.#connection = undefined;
      else if (answer.status !== 503) this.#fail(`a post failed: ${failureOf(answer)}`);
      if (answer instanceof Error && this.#stop.signal.aborted) return this.#fail(failureOf(answer));
      await this.#clock.sleep(retryMs);
    }
  }

  #ask(request: string): Promise<HttpAnswer | Error> {
    this.#connection ??= new HttpConnection(this.#api);
    const connection = this.#connection;
    return new Promise((resolve) => connection.send(request, resolve));
  }

  #fail(why: string): void {
    if (this.failures.length < failuresMax) this.failures.push(`${this.channel}: ${why}`);
  }
}

function acknowledgementOf({ status, body }: HttpAnswer): { seq: number; decidedMs: number } | undefined {
  if (status !== 200) return undefined;
  const answer = JSON.parse(body) as { ok?: unknown; ts?: unknown; message?: { seq?: unknown } };
  const seq = answer.message?.seq;
  if (answer.ok !== true || typeof seq !== 'number') return undefined;
  return { seq, decidedMs: Number(answer.ts) * 1_000 };
}
