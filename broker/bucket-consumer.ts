/**
 * One consumer of a bucket: the present entries that a filter matches, then changes, until it ends.
 *
 * It lives in the memory of one server, which need not be the one that we are connected to: that one may be lost while
 * our connection stays. The library's own ordered consumer notices after more than a minute, and by the wall clock.
 *
 * Invariants:
 * C1  It ends when nothing was heard of it for `kvWatchSilenceMs`; when idle, the server speaks each `kvWatchBeatMs`.
 * C2  It ends when a message is missing, by the messages' own numbers or by the last one that the server says it sent.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JsMsg,
} from '@nats-io/jetstream';
import { createInbox, nanos, nuid } from '@nats-io/transport-node';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';

export interface BucketConsumerParts {
  readonly jetstream: JetStreamClient;
  readonly inboxPrefix: string;
  readonly clock: Clock;
  readonly bucket: string;
  /** Of keys. */
  readonly filter: string;
}

export interface BucketConsumer {
  /** Entries that were present when it was made. */
  readonly pending: number;
  /** Resolves at its end, whatever ended it. */
  readonly ended: Promise<unknown>;
  stop(): void;
  /** A courtesy: the server forgets it by itself after a while. */
  forget(): void;
}

/** `onMessage` must not throw. @throws Error when the server does not make it */
export async function openBucketConsumer(
  parts: BucketConsumerParts,
  onMessage: (message: JsMsg) => void,
): Promise<BucketConsumer> {
  const { jetstream, inboxPrefix, clock, bucket } = parts;
  const stream = `KV_${bucket}`;
  const manager = await jetstream.jetstreamManager(false);
  const deliverTo = createInbox(inboxPrefix);
  const { name, num_pending: pending } = await manager.consumers.add(stream, configOf(parts, deliverTo));
  const bound = await jetstream.consumers.getBoundPushConsumer({ deliver_subject: deliverTo });
  const delivery = new Delivery(clock, onMessage);
  // The server delivers nothing before somebody subscribes.
  const messages = await bound.consume({ callback: (message) => delivery.receive(message) });
  return {
    pending,
    ended: delivery.follow(messages),
    stop: () => messages.stop(),
    forget: () => void manager.consumers.delete(stream, name).catch(() => undefined),
  };
}

function configOf({ bucket, filter }: BucketConsumerParts, deliverTo: string): Partial<ConsumerConfig> {
  return {
    name: nuid.next(),
    deliver_subject: deliverTo,
    deliver_policy: DeliverPolicy.LastPerSubject,
    filter_subject: `$KV.${bucket}.${filter}`,
    ack_policy: AckPolicy.None,
    max_deliver: 1,
    num_replicas: 1,
    // In files, the server rewrites one for each entry that a watch is told of, and makes and removes a folder for each
    // read: what is freed so may keep a disk, and with it every append, for a while.
    mem_storage: true,
    flow_control: true,
    idle_heartbeat: nanos(limits.kvWatchBeatMs),
    inactive_threshold: nanos(limits.kvWatchForgottenMs),
  };
}

/** What comes of one consumer, and whether that is all of it. */
class Delivery {
  readonly #clock: Clock;
  readonly #onMessage: (message: JsMsg) => void;
  #messages: ConsumerMessages | undefined;
  #received = 0;
  #heardMs: number;

  constructor(clock: Clock, onMessage: (message: JsMsg) => void) {
    this.#clock = clock;
    this.#onMessage = onMessage;
    this.#heardMs = clock.monotonicMs();
  }

  /** C2 */
  receive(message: JsMsg): void {
    this.#heardMs = this.#clock.monotonicMs();
    if (message.info.deliverySequence !== this.#received + 1) {
      this.#messages?.stop();
      return;
    }
    this.#received += 1;
    this.#onMessage(message);
  }

  /** Until the end, which it brings about when something is missing. */
  async follow(messages: ConsumerMessages): Promise<void> {
    this.#messages = messages;
    const check = this.#clock.setInterval(() => {
      if (this.#clock.monotonicMs() - this.#heardMs >= limits.kvWatchSilenceMs) messages.stop();
    }, limits.kvWatchBeatMs);
    void this.#hear(messages);
    await messages.closed();
    check.cancel();
  }

  async #hear(messages: ConsumerMessages): Promise<void> {
    for await (const event of messages.status()) {
      if (event.type === 'consumer_deleted') messages.stop();
      if (event.type !== 'heartbeat') continue;
      this.#heardMs = this.#clock.monotonicMs();
      if (event.lastConsumerSequence > this.#received) messages.stop();
    }
  }
}
