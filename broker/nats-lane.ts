/**
 * Messaging on one connection to nats-server. What it promises is broker.ts's; its state is that of all the process's
 * connections together (link-group.ts), its publishing depends on its own alone.
 *
 * L1  Nothing is heard that a stream's consumer delivers. Whoever may follow a bucket may name the subject to deliver to,
 *     and NATS does not ask whether they may publish there: a gateway could speak as a worker. What comes that way keeps
 *     the subject it was stored under, `$KV.…`, which no subject of ours begins with.
 */
import type { Msg, Subscription as NatsSubscription } from '@nats-io/transport-node';
import type { Clock } from '../platform/clock.ts';
import { unreachable } from '../platform/assert.ts';
import {
  type BrokerMessage,
  BrokerLimitError,
  type ConnectionRef,
  type LaneStatus,
  type Messaging,
  type RequestOutcome,
  type Subscription,
} from './broker.ts';
import type { LinkGroup } from './link-group.ts';
import { guarded, LinkLostError, type NatsLink } from './nats-link.ts';
import { isNoResponders, type NoReply, type ReplyMux } from './reply-mux.ts';

export interface NatsLaneParts {
  readonly link: NatsLink;
  readonly group: LinkGroup;
  readonly mux: ReplyMux;
  readonly clock: Clock;
  readonly payloadBytesMax: number;
}

export class NatsLane implements Messaging {
  readonly #link: NatsLink;
  readonly #group: LinkGroup;
  readonly #mux: ReplyMux;
  readonly #clock: Clock;
  readonly #payloadBytesMax: number;
  /** The round trip that this turn's drains wait for. */
  #drains: Promise<void> | undefined;

  constructor(parts: NatsLaneParts) {
    this.#link = parts.link;
    this.#group = parts.group;
    this.#mux = parts.mux;
    this.#clock = parts.clock;
    this.#payloadBytesMax = parts.payloadBytesMax;
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#checkSize(subject, data);
    this.#link.publish(subject, data, reply);
  }

  subscribe(
    subject: string,
    handler: (message: BrokerMessage) => void,
    options: { readonly queue?: string } = {},
  ): Subscription {
    const handle = guarded((message: Msg) => handler(new NatsMessage(message)));
    this.#link.sendOutgoing();
    const inner = this.#link.connection.subscribe(subject, {
      ...options,
      // With a callback the library keeps no queue. A refused subscription is reported by the link.
      callback: (error, message) => {
        if (error === null && !isFromStream(message)) handle(message);
      },
    });
    return {
      unsubscribe: () => inner.unsubscribe(),
      drain: () => this.#drain(inner),
    };
  }

  async flush(timeoutMs: number): Promise<boolean> {
    this.#link.sendOutgoing();
    const late = new AbortController();
    const overdue = this.#clock.sleep(timeoutMs, late.signal).then(() => false);
    const done = this.#link
      .unlessLost(() => this.#link.connection.flush())
      .then(
        () => true,
        () => false,
      );
    return Promise.race([done, overdue]).finally(() => late.abort());
  }

  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<RequestOutcome> {
    this.#checkSize(subject, data);
    return new Promise((resolve) => {
      this.#mux.send(subject, data, timeoutMs, (reply) => {
        resolve(typeof reply === 'string' ? this.#failure(reply) : { kind: 'reply', data: reply.data });
      });
    });
  }

  status(): LaneStatus {
    return this.#group.status();
  }

  onStatus(listener: (status: LaneStatus) => void): () => void {
    return this.#group.onStatus(listener);
  }

  connection(): ConnectionRef | undefined {
    return this.#link.ref();
  }

  /**
   * As the library drains, but with one round trip for all subscriptions that end in a turn of the loop: a worker gives
   * away hundreds of slots at once, and a system call for each made their channels wait.
   */
  async #drain(inner: NatsSubscription): Promise<void> {
    if (inner.isClosed()) return;
    this.#link.endAtServer(inner);
    try {
      await (this.#drains ??= this.#roundTrip());
    } catch (error) {
      if (!(error instanceof LinkLostError)) throw error;
    }
    // Of a lost connection too: else the library would subscribe again with the next one.
    if (!inner.isClosed()) inner.unsubscribe();
  }

  #roundTrip(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.defer(() => {
        this.#drains = undefined;
        resolve(this.#link.unlessLost(() => this.#link.connection.flush()));
      });
    });
  }

  #failure(reason: NoReply): RequestOutcome {
    switch (reason) {
      case 'no-responders':
      case 'timeout':
        return { kind: reason };
      case 'disconnected':
        return { kind: 'unavailable', cause: new LinkLostError(this.#link.lane) };
      case 'overloaded':
        return { kind: 'unavailable', cause: new Error('too many requests wait for their replies') };
      default:
        return unreachable(reason);
    }
  }

  #checkSize(subject: string, data: Uint8Array): void {
    if (data.length > this.#payloadBytesMax) throw new BrokerLimitError(subject, data.length, this.#payloadBytesMax);
  }
}

/** The subject as it came: decoding it for every message would cost more than all else that is done here. */
interface Internals {
  readonly _msg: { readonly subject: Uint8Array };
}
const DOLLAR = 0x24;

/** L1 */
function isFromStream(message: Msg): boolean {
  return (message as unknown as Internals)._msg.subject[0] === DOLLAR;
}

/** A view of the library's message: the subject is decoded only for handlers that look at it. */
class NatsMessage implements BrokerMessage {
  readonly #message: Msg;

  constructor(message: Msg) {
    this.#message = message;
  }

  get subject(): string {
    return this.#message.subject;
  }

  get data(): Uint8Array {
    return this.#message.data;
  }

  get reply(): string | undefined {
    return this.#message.reply || undefined;
  }

  get noResponders(): boolean {
    return isNoResponders(this.#message);
  }
}
