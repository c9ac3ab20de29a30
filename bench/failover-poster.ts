/**
 * Posts to one channel through everything: each is sent when it is due, whether or not the ones before it were answered,
 * with a client_msg_id, and sent again with it until it is acknowledged.
 *
 * P1  Open loop: a post's time counts from when it was due, the wait for a free connection included.
 * P2  An answer that is neither an acknowledgement nor a retryable 503 is a failure.
 * P3  Whatever was acknowledged must stand in the channel's log, under the seq that was told, once.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { BenchChannel } from './bench-workspace.ts';
import { ChannelLedger } from './channel-ledger.ts';
import { formHead, formRequest, type HttpAnswer } from './http-client.ts';
import type { MachineClock } from './machine-clock.ts';
import { makeText, parseText } from './message-text.ts';
import { failureOf } from './post-answer.ts';
import { RequestPool } from './request-pool.ts';

export type Acknowledged = {
  /** Microseconds of the machine's clock. */
  readonly dueUs: number;
  readonly atUs: number;
  /** When its owner decided it, in milliseconds since 1970. */
  readonly decidedMs: number;
  /** Answers before it that said: try again. */
  readonly refusals: number;
};

type Post = { readonly number: number; readonly dueUs: number; readonly floor: number; refusals: number };

/** A channel that is paused for a second has fifty posts waiting; what is beyond waits for a connection (P1). */
const connections = 32;
const retryMs = 10;
const pollMs = 5;
const textBytes = 100;
const failuresMax = 5;

export class FailoverPoster {
  readonly channel: string;
  /** In the order in which they came. */
  readonly acks: Acknowledged[] = [];
  readonly #clock: Clock;
  readonly #machine: MachineClock;
  readonly #head: string;
  readonly #pool: RequestPool;
  readonly #ledger: ChannelLedger;
  /** Without an acknowledgement, in the order in which they were due. */
  readonly #pending = new Set<Post>();
  readonly #failures: string[] = [];
  #posts = 0;

  constructor(api: string, { id, token }: BenchChannel, clock: Clock, machine: MachineClock) {
    const { host, pathname } = new URL(api);
    this.channel = id;
    this.#clock = clock;
    this.#machine = machine;
    this.#head = formHead(host, `${pathname}chat.postMessage`, token);
    this.#pool = new RequestPool(api, connections, clock);
    this.#ledger = new ChannelLedger(id);
  }

  post(dueUs: number): void {
    const post = { number: this.#posts++, dueUs, floor: this.#ledger.highestSeq, refusals: 0 };
    const fields = { channel: this.channel, text: makeText(post.number, dueUs, textBytes) };
    this.#pending.add(post);
    this.#send(post, formRequest(this.#head, { ...fields, client_msg_id: randomUUID() }));
  }

  /** Resolves when every post that was due before has its acknowledgement; false: not within `waitMs`. */
  async answered(beforeUs: number, waitMs: number): Promise<boolean> {
    const deadlineMs = this.#clock.monotonicMs() + waitMs;
    for (;;) {
      const [oldest] = this.#pending;
      if (oldest === undefined || oldest.dueUs >= beforeUs) return true;
      if (this.#clock.monotonicMs() > deadlineMs) return false;
      await this.#clock.sleep(pollMs);
    }
  }

  /** What is wrong once no more posts are made; waits for those under way. */
  async finish(): Promise<string[]> {
    await this.answered(Infinity, limits.benchSettleMs);
    if (this.#pending.size > 0) this.#fail(`${this.#pending.size} posts without an acknowledgement`);
    this.#pool.close();
    return [...this.#failures, ...this.#ledger.check()];
  }

  /** P3. `stored`: [seq, text] of the whole log. */
  checkLog(stored: readonly (readonly [number, string])[]): string[] {
    const numbers = new Map(stored.map(([seq, text]) => [seq, parseText(text)?.id]));
    const acknowledged = this.#ledger.entries();
    const missing = acknowledged.filter(([seq]) => !numbers.has(seq)).length;
    const wrong = acknowledged.filter(([seq, number]) => numbers.has(seq) && numbers.get(seq) !== number).length;
    const extra = stored.filter(([, text]) => parseText(text) !== undefined).length - acknowledged.length + missing;
    return [
      ...(missing === 0 ? [] : [`${this.channel}: ${missing} acknowledged messages are not in its history`]),
      ...(wrong === 0 ? [] : [`${this.channel}: ${wrong} messages of its history differ from what was acknowledged`]),
      ...(extra === 0 ? [] : [`${this.channel}: ${extra} messages of its history were never acknowledged`]),
    ];
  }

  #send(post: Post, request: string): void {
    if (
      this.#pool.request(
        () => request,
        (answer) => this.#take(post, request, answer),
      )
    )
      return;
    this.#give(post, 'the server is so far behind that posts were given up');
  }

  #take(post: Post, request: string, answer: HttpAnswer | Error): void {
    const acked = answer instanceof Error ? undefined : acknowledgementOf(answer);
    if (acked !== undefined) return this.#acknowledge(post, acked);
    // P2
    if (!(answer instanceof Error) && answer.status !== 503) {
      return this.#give(post, `a post failed: ${failureOf(answer)}`);
    }
    post.refusals += 1;
    this.#clock.setTimeout(() => this.#send(post, request), retryMs);
  }

  #acknowledge(post: Post, { seq, decidedMs }: { readonly seq: number; readonly decidedMs: number }): void {
    const { number, dueUs, floor, refusals } = post;
    this.#pending.delete(post);
    this.acks.push({ dueUs, atUs: this.#machine.nowUs(), decidedMs, refusals });
    const wrong = this.#ledger.acknowledge(seq, number, floor);
    if (wrong !== undefined) this.#fail(wrong);
  }

  #give(post: Post, why: string): void {
    this.#pending.delete(post);
    this.#fail(`${this.channel}: ${why}`);
  }

  #fail(why: string): void {
    if (this.#failures.length < failuresMax) this.#failures.push(why);
  }
}

function acknowledgementOf({ status, body }: HttpAnswer): { seq: number; decidedMs: number } | undefined {
  if (status !== 200) return undefined;
  const answer = JSON.parse(body) as { ok?: unknown; ts?: unknown; message?: { seq?: unknown } };
  const seq = answer.message?.seq;
  if (answer.ok !== true || typeof seq !== 'number') return undefined;
  return { seq, decidedMs: Number(answer.ts) * 1_000 };
}
