/** Messaging over one in-memory connection. What it promises is broker.ts's. */
import type { Clock } from '../platform/clock.ts';
import {
  BrokerLimitError,
  type BrokerMessage,
  type ConnectionRef,
  type LaneStatus,
  type Messaging,
  type RequestOutcome,
  type Subscription,
} from './broker.ts';
import type { MemoryLink } from './memory-link.ts';
import type { MemoryRouter, MemorySubscriber } from './memory-router.ts';

export interface MemoryLaneParts {
  readonly link: MemoryLink;
  readonly router: MemoryRouter;
  readonly clock: Clock;
  readonly payloadBytesMax: number;
  /** Of all lanes together. */
  readonly status: () => LaneStatus;
  readonly onStatus: (listener: (status: LaneStatus) => void) => () => void;
  readonly server: string;
}

export class MemoryLane implements Messaging {
  readonly #parts: MemoryLaneParts;
  /** What the client wants to hear; told to the server again after each reconnect. */
  readonly #wanted = new Set<MemorySubscriber>();
  readonly #inbox: string;
  readonly #requests = new Map<string, (message: BrokerMessage) => void>();
  #lastRequest = 0;

  constructor(parts: MemoryLaneParts) {
    this.#parts = parts;
    this.#inbox = `_INBOX.${parts.link.incarnation}.${parts.link.lane}`;
    parts.link.onStatus((status) => {
      if (status === 'connected') for (const subscriber of this.#wanted) this.#tell(subscriber);
    });
    this.subscribe(`${this.#inbox}.*`, (message) => this.#requests.get(message.subject)?.(message));
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#checkSize(subject, data);
    const { link, router } = this.#parts;
    const copy = data.slice();
    link.toServer('message', subject, () => router.publish(link, subject, copy, reply));
  }

  subscribe(
    subject: string,
    handler: (message: BrokerMessage) => void,
    options: { readonly queue?: string } = {},
  ): Subscription {
    const { link, router } = this.#parts;
    const subscriber: MemorySubscriber = {
      link,
      subject,
      queue: options.queue,
      receive: (message) => {
        if (this.#wanted.has(subscriber)) handler(message);
      },
    };
    this.#wanted.add(subscriber);
    this.#tell(subscriber);
    return {
      unsubscribe: () => {
        this.#wanted.delete(subscriber);
        link.toServer('control', subject, () => router.remove(subscriber));
      },
      drain: () => this.#drain(subscriber),
    };
  }

  async flush(timeoutMs: number): Promise<boolean> {
    return typeof (await this.#parts.link.call('control', '', timeoutMs, () => ({}))) === 'object';
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<RequestOutcome> {
    this.#checkSize(subject, data);
    const { link, clock } = this.#parts;
    if (!link.connected) return Promise.resolve({ kind: 'unavailable', cause: new Error('disconnected') });
    this.#lastRequest += 1;
    const reply = `${this.#inbox}.${this.#lastRequest}`;
    return new Promise((resolve) => {
      const settle = (outcome: RequestOutcome): void => {
        timer.cancel();
        stopFollowing();
        this.#requests.delete(reply);
        resolve(outcome);
      };
      const timer = clock.setTimeout(() => settle({ kind: 'timeout' }), timeoutMs);
      const stopFollowing = link.onStatus(() => settle({ kind: 'unavailable', cause: new Error('disconnected') }));
      this.#requests.set(reply, (message) =>
        settle(message.noResponders ? { kind: 'no-responders' } : { kind: 'reply', data: message.data }),
      );
      this.publish(subject, data, reply);
    });
  }

  status(): LaneStatus {
    return this.#parts.status();
  }

  onStatus(listener: (status: LaneStatus) => void): () => void {
    return this.#parts.onStatus(listener);
  }

  connection(): ConnectionRef | undefined {
    const { link, server } = this.#parts;
    return link.connected ? { server, client: link.client } : undefined;
  }

  #tell(subscriber: MemorySubscriber): void {
    const { link, router } = this.#parts;
    link.toServer('control', subscriber.subject, () => router.add(subscriber));
  }

  /** The server's answer comes behind everything that it sent before. */
  async #drain(subscriber: MemorySubscriber): Promise<void> {
    const { link, router } = this.#parts;
    if (!this.#wanted.has(subscriber)) return;
    await link.call('control', subscriber.subject, DRAIN_MS_MAX, () => {
      router.remove(subscriber);
      return {};
    });
    this.#wanted.delete(subscriber);
  }

  #checkSize(subject: string, data: Uint8Array): void {
    const { payloadBytesMax } = this.#parts;
    if (data.length > payloadBytesMax) throw new BrokerLimitError(subject, data.length, payloadBytesMax);
  }
}

/** A drain has no time-out of its own: it ends with the answer or with the connection. */
const DRAIN_MS_MAX = 2 ** 30;
