/**
 * Posts over HTTP, one after another to one channel, as a careful client does: each with a client_msg_id, repeated on a
 * 503, a refused connection or silence against the next webapp until it is acknowledged.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { PostRecord } from '../support/history-checks.ts';
import type { Recorder } from './recorder.ts';

export interface HttpPosterOptions {
  readonly name: string;
  readonly channel: string;
  readonly token: string;
  readonly periodMs: number;
  readonly apis: () => readonly string[];
  readonly recorder: Recorder;
}

const answerWaitMs = 7_000;
const retryWaitMs = 30;

type Attempt =
  | { readonly kind: 'acked'; readonly seq: number; readonly ts: string }
  | { readonly kind: 'again'; why: string };

export class HttpPoster {
  readonly #options: HttpPosterOptions;
  readonly #ended: Promise<void>;
  #stopping = false;
  #webapp = 0;

  constructor(options: HttpPosterOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  /** Resolves when the post under way is acknowledged. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { name, channel, periodMs, recorder } = this.#options;
    for (let number = 0; !this.#stopping; number += 1) {
      const sentMs = recorder.now();
      const text = `${name}/${number}`;
      const post = { channel, sender: name, number, text, sentMs, acked: undefined as PostRecord['acked'] };
      recorder.posts.push(post);
      post.acked = await this.#untilAcked(text);
      const restMs = sentMs + periodMs - recorder.now();
      if (restMs > 0) await wait(restMs);
    }
  }

  async #untilAcked(text: string): Promise<NonNullable<PostRecord['acked']>> {
    const { name, channel, recorder } = this.#options;
    const args = { channel, text, client_msg_id: randomUUID() };
    for (;;) {
      const attempt = await this.#attempt(args);
      if (attempt.kind === 'acked') return { atMs: recorder.now(), seq: attempt.seq, ts: attempt.ts };
      recorder.incident(name, `http ${attempt.why}`);
      this.#webapp += 1;
      await wait(retryWaitMs);
    }
  }

  async #attempt(args: Readonly<Record<string, string>>): Promise<Attempt> {
    const apis = this.#options.apis();
    const base = apis[this.#webapp % apis.length] ?? '';
    const headers = { authorization: `Bearer ${this.#options.token}` };
    const signal = AbortSignal.timeout(answerWaitMs);
    try {
      const request = { method: 'POST', headers, body: new URLSearchParams(args), signal };
      const response = await fetch(`${base}chat.postMessage`, request);
      const body = (await response.json()) as { ok: boolean; error?: string; ts?: string; message?: { seq?: number } };
      if (body.ok) return { kind: 'acked', seq: Number(body.message?.seq), ts: String(body.ts) };
      return { kind: 'again', why: `${response.status} ${body.error ?? ''}` };
    } catch (error) {
      return { kind: 'again', why: reasonOf(error) };
    }
  }
}

function reasonOf(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { code?: string } };
  return cause?.code ?? name ?? 'failed';
}
