/**
 * Requests and their replies over one wildcard subscription: integer ids in a map and one timer for all time-outs, where
 * the stock request makes a promise chain, a timer and a random inbox each (60-70 us against 10).
 *
 * X1  `settle` is called exactly once for every send, within `timeoutMs`; with the reply or the reason there is none.
 * X2  Losing the connection settles everything pending at once: its replies went to the lost subscription.
 * X3  At most natsRepliesPendingMax wait; beyond, a send is settled as `overloaded` without being sent.
 * X4  The timer is set for the first deadline at hand and wakes nobody while nothing waits: an idle process has several
 *     of these, and waking up was most of what it did.
 */
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { createInbox, type Msg } from '@nats-io/transport-node';
import { guarded, type NatsLink } from './nats-link.ts';

export type NoReply = 'timeout' | 'disconnected' | 'overloaded' | 'no-responders';
type Settle = (reply: Msg | NoReply) => void;

interface Pending {
  readonly deadlineMs: number;
  readonly settle: Settle;
}

const NO_RESPONDERS_CODE = 503;

export class ReplyMux {
  readonly #link: NatsLink;
  readonly #clock: Clock;
  readonly #inbox: string;
  readonly #pending = new Map<number, Pending>();
  #sweep: Timer | undefined;
  #sweepMs = Number.POSITIVE_INFINITY;
  #lastId = 0;

  constructor(link: NatsLink, clock: Clock, inboxPrefix: string) {
    this.#link = link;
    this.#clock = clock;
    this.#inbox = createInbox(inboxPrefix);
    const receive = guarded((message: Msg) => this.#receive(message));
    link.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) receive(message);
      },
    });
    link.onStatus((status) => {
      if (status !== 'connected') this.#settleAll('disconnected');
    });
  }

  /** `settle` may be called before this returns. `headers`: the whole header block, empty line included. */
  send(subject: string, data: Uint8Array, timeoutMs: number, settle: Settle, headers?: string): void {
    if (!this.#link.connected) return settle('disconnected');
    if (this.#pending.size >= limits.natsRepliesPendingMax) return settle('overloaded');
    this.#lastId += 1;
    const reply = `${this.#inbox}.${this.#lastId}`;
    this.#link.publish(subject, data, reply, headers);
    // Overdue replies are found by a sweep: due one sweep early, so that none settles late (X1).
    const waitMs = Math.max(0, timeoutMs - limits.natsReplySweepMs);
    const deadlineMs = this.#clock.monotonicMs() + waitMs;
    this.#pending.set(this.#lastId, { deadlineMs, settle });
    if (deadlineMs < this.#sweepMs) this.#sweepAt(deadlineMs);
  }

  /** What is published on its connection and has not left. */
  get outgoingBytes(): number {
    return this.#link.outgoingBytes;
  }

  stop(): void {
    this.#sweep?.cancel();
    this.#settleAll('disconnected');
  }

  #receive(message: Msg): void {
    const { subject } = message;
    const id = Number(subject.slice(subject.lastIndexOf('.') + 1));
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.settle(isNoResponders(message) ? 'no-responders' : message);
  }

  /** Deadlines a sweep apart at most are met by one timer. */
  #sweepAt(deadlineMs: number): void {
    this.#sweep?.cancel();
    this.#sweepMs = deadlineMs;
    const waitMs = Math.max(limits.natsReplySweepMs / 2, Math.ceil(deadlineMs - this.#clock.monotonicMs()));
    this.#sweep = this.#clock.setTimeout(() => this.#settleOverdue(), waitMs);
  }

  #settleOverdue(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#sweepMs = Number.POSITIVE_INFINITY;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [id, pending] of this.#pending) {
      if (pending.deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, pending.deadlineMs);
        continue;
      }
      this.#pending.delete(id);
      pending.settle('timeout');
    }
    if (nextMs < this.#sweepMs) this.#sweepAt(nextMs);
  }

  #settleAll(reason: NoReply): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { settle } of pending) settle(reason);
  }
}

/** The server's own answer that nobody listens on the request's subject. */
export function isNoResponders(message: Msg): boolean {
  return message.headers?.code === NO_RESPONDERS_CODE && message.data.length === 0;
}
