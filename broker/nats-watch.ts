/**
 * One watch of a bucket: present entries first, then changes. It follows a consumer; when the connection comes back, or
 * the consumer ends, it makes a new one, which replays the present entries. Everything it says is a hint (K7).
 */
import type { JsMsg } from '@nats-io/jetstream';
import { limits } from '../platform/limits.ts';
import type { KvChange } from './broker.ts';
import { openBucketConsumer, type BucketConsumerParts } from './bucket-consumer.ts';
import { guarded, type NatsLink } from './nats-link.ts';

export interface NatsWatchParts extends BucketConsumerParts {
  readonly link: NatsLink;
}

export class NatsWatch {
  readonly ready: Promise<void>;
  readonly #parts: NatsWatchParts;
  readonly #handler: (change: KvChange) => void;
  readonly #stop = new AbortController();
  #markReady: () => void = () => {};

  constructor(parts: NatsWatchParts, handler: (change: KvChange) => void) {
    this.#parts = parts;
    this.#handler = guarded(handler);
    this.ready = new Promise((resolve) => {
      this.#markReady = resolve;
    });
    void this.#run();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { link, clock } = this.#parts;
    while (!this.#stop.signal.aborted && link.status() !== 'closed') {
      if (link.connected) await this.#session().catch(() => undefined);
      // The connection's return ends the wait early, so that the entries are replayed without delay.
      if (link.connected) await clock.sleep(limits.kvWatchRetryMs, this.#stop.signal);
      else await this.#connected();
    }
  }

  /** One consumer's life: ends when it is stopped, or at the loss of the connection. */
  async #session(): Promise<void> {
    const { link } = this.#parts;
    const opening = openBucketConsumer(this.#parts, (message) => this.#receive(message));
    const consumer = await link
      .unlessLost(() => opening)
      .catch((error: unknown) => {
        // Nobody would stop a consumer that comes after we gave up on it.
        opening.then((late) => late.stop()).catch(() => undefined);
        throw error;
      });
    if (consumer.pending === 0) this.#markReady();
    const stop = (): void => consumer.stop();
    const stopFollowing = link.onStatus(stop);
    this.#stop.signal.addEventListener('abort', stop, { once: true });
    if (this.#stop.signal.aborted || !link.connected) stop();
    await consumer.ended;
    stopFollowing();
    this.#stop.signal.removeEventListener('abort', stop);
    if (link.connected) consumer.forget();
  }

  #receive(message: JsMsg): void {
    if (this.#stop.signal.aborted) return;
    this.#handler(changeOf(this.#parts.bucket, message));
    if (message.info.pending === 0) this.#markReady();
  }

  /** Until the link is connected or closed, or the watch is stopped. */
  #connected(): Promise<void> {
    const { link } = this.#parts;
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      const done = (): void => {
        stopFollowing();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const stopFollowing = link.onStatus(done);
      signal.addEventListener('abort', done, { once: true });
      if (link.connected || link.status() === 'closed' || signal.aborted) done();
    });
  }
}

/** The present value of every key that the filter matches, deleted keys included. @throws Error when it breaks off */
export async function readPresent(parts: NatsWatchParts): Promise<readonly KvChange[]> {
  const changes: KvChange[] = [];
  let markDone = (): void => {};
  const done = new Promise<void>((resolve) => {
    markDone = resolve;
  });
  const consumer = await openBucketConsumer(parts, (message) => {
    changes.push(changeOf(parts.bucket, message));
    if (message.info.pending === 0) markDone();
  });
  const { pending, ended } = consumer;
  const isWhole = pending === 0 || (await Promise.race([done.then(() => true), ended.then(() => false)]));
  consumer.stop();
  // A part would be taken for all there is.
  if (!isWhole) throw new Error('the listing broke off: its consumer ended');
  consumer.forget();
  return changes;
}

function changeOf(bucket: string, message: JsMsg): KvChange {
  const key = message.subject.slice(`$KV.${bucket}.`.length);
  const operation = message.headers?.get('KV-Operation');
  if (operation === 'DEL' || operation === 'PURGE') return { kind: 'delete', key, revision: message.seq };
  return { kind: 'put', entry: { key, value: message.data, revision: message.seq } };
}
