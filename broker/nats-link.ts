/**
 * One connection to nats-server with what is needed to know about it: whether it is up, which client it is to the
 * server, and a way to give up waiting when it is lost.
 *
 * N1  nats.js keeps what is published while it is not connected and throws some of it away later. Nothing is published
 *     on a link that is not `connected`, so a lost message is lost for a known reason.
 * N2  A handler that throws would end the library's reader and leave a connection that hears nothing. `guarded` turns
 *     it into an uncaught exception instead, which the process does not survive.
 * N3  What one turn of the event loop publishes is handed to the library together, in order, and leaves as one write, under
 *     load with what the next turns publish (send-pace.ts): the library alone writes after each of the turn's callbacks,
 *     and the system call was the dearest part of a post.
 *     Everything else that is said to the server (subscriptions, flushes) is said after `sendOutgoing`.
 * N4  A server that is too old is left again at once: the link stays disconnected until it finds another.
 */
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import type { Clock } from '../platform/clock.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';
import { limits } from '../platform/limits.ts';
import { BrokerUnusableError, type ConnectionRef, type LaneStatus } from './broker.ts';
import { versionRefusal } from './nats-dial.ts';
import { PublishWriter } from './publish-writer.ts';
import { SendPace } from './send-pace.ts';

/** What was waiting for an answer when the connection went away. */
export class LinkLostError extends Error {
  constructor(lane: string) {
    super(`the connection of the lane ${lane} to the broker is lost`);
    this.name = 'LinkLostError';
  }
}

/**
 * `unsub`: the library unsubscribes without a word to its own handler only inside `drain`, which costs a round trip each
 * time. `sendCommand`: its way to the socket, for bytes that hold whole commands.
 */
interface Internals {
  readonly protocol: { unsub(subscription: Subscription): void; sendCommand(bytes: Uint8Array): void };
}

export interface NatsLinkOptions {
  readonly lane: string;
  readonly connection: NatsConnection;
  readonly clock: Clock;
  /** Hears what the server refuses (permissions above all); it never concerns a single call's outcome. */
  readonly onError: (lane: string, error: Error) => void;
  /** How long the first message of each write was made to wait for it. */
  readonly waits?: DurationTimer | undefined;
}

export class NatsLink {
  readonly lane: string;
  readonly connection: NatsConnection;
  readonly #listeners = new Set<(status: LaneStatus) => void>();
  readonly #clock: Clock;
  readonly #waits: DurationTimer | undefined;
  readonly #pace = new SendPace();
  readonly #outgoing = new PublishWriter(limits.sendSlabBytes);
  #status: LaneStatus = 'connected';
  /** One write is scheduled at a time, whatever leaves before it by its size: what is published until then goes with it. */
  #sendScheduled = false;
  /** That write is not at the end of its turn but spaced from the one before. */
  #isSpaced = false;
  /** Messages that wait for the next write, and when the first of them came. */
  #gathered = 0;
  #gatheredSinceMs = 0;

  constructor({ lane, connection, clock, onError, waits }: NatsLinkOptions) {
    this.lane = lane;
    this.connection = connection;
    this.#clock = clock;
    this.#waits = waits;
    void this.#follow(onError);
  }

  /** The library knows of its own close before it tells. */
  get connected(): boolean {
    return this.#status === 'connected' && !this.connection.isClosed();
  }

  status(): LaneStatus {
    return this.#status;
  }

  /**
   * When its time comes (N3), or at once when much has gathered; dropped when not connected (N1). `headers`: the whole
   * header block, empty line included. `data` is copied before this returns.
   */
  publish(subject: string, data: Uint8Array, reply?: string, headers?: string): void {
    if (!this.connected) return;
    if (this.#gathered === 0) this.#gatheredSinceMs = this.#clock.monotonicMs();
    if (!this.#sendScheduled) this.#scheduleSend();
    this.#outgoing.publish(subject, data, reply, headers);
    this.#gathered += 1;
    if (this.#outgoing.bytes >= limits.sendBytesMax) this.sendOutgoing();
  }

  get outgoingBytes(): number {
    return this.#outgoing.bytes;
  }

  /** No more messages from the server for this subscription; those that are on their way are still handed over. */
  endAtServer(subscription: Subscription): void {
    if (this.connected) this.#internals().protocol.unsub(subscription);
  }

  /** Hands over what this turn has published so far: whatever is said to the server next comes after it. */
  sendOutgoing(): void {
    if (this.#outgoing.bytes === 0) return;
    this.#gathered = 0;
    this.#waits?.observe(this.#isSpaced ? this.#clock.monotonicMs() - this.#gatheredSinceMs : 0);
    const bytes = this.#outgoing.take();
    if (this.connected) this.#internals().protocol.sendCommand(bytes);
  }

  #scheduleSend(): void {
    this.#sendScheduled = true;
    const waitMs = this.#pace.take(this.#gatheredSinceMs);
    this.#isSpaced = waitMs > 0;
    const send = () => {
      this.#sendScheduled = false;
      if (this.#isSpaced && this.#isAlone()) this.#pace.forgive();
      this.sendOutgoing();
    };
    if (waitMs === 0) this.#clock.defer(send);
    else this.#clock.setTimeout(send, waitMs);
  }

  /** One message has gathered, and it is not what a turn has for many: those are the ones that spacing is for. */
  #isAlone(): boolean {
    return this.#gathered === 1 && this.#outgoing.bytes <= limits.sendAloneBytesMax;
  }

  onStatus(listener: (status: LaneStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  ref(): ConnectionRef | undefined {
    const info = this.connection.info;
    return this.connected && info !== undefined ? { server: info.server_id, client: info.client_id } : undefined;
  }

  /** The promise's outcome, or a LinkLostError at once when the connection is lost first. */
  async unlessLost<T>(run: () => Promise<T>): Promise<T> {
    if (!this.connected) throw new LinkLostError(this.lane);
    let stop = (): void => {};
    const lost = new Promise<never>((_, reject) => {
      stop = this.onStatus(() => reject(new LinkLostError(this.lane)));
    });
    return Promise.race([run(), lost]).finally(stop);
  }

  #internals(): Internals {
    return this.connection as unknown as Internals;
  }

  async #follow(onError: (lane: string, error: Error) => void): Promise<void> {
    for await (const event of this.connection.status()) {
      if (event.type === 'disconnect') this.#become('disconnected');
      else if (event.type === 'reconnect') this.#reconnected(onError);
      else if (event.type === 'close') this.#become('closed');
      else if (event.type === 'error') onError(this.lane, event.error);
    }
  }

  /** N4 */
  #reconnected(onError: (lane: string, error: Error) => void): void {
    const { server_name: name = '', version = '' } = this.connection.info ?? {};
    const refusal = versionRefusal(`nats-server ${name}`, version);
    if (refusal === undefined) return this.#become('connected');
    onError(this.lane, new BrokerUnusableError(refusal));
    void this.connection.reconnect().catch((error: unknown) => onError(this.lane, error as Error));
  }

  #become(status: LaneStatus): void {
    if (status === this.#status || this.#status === 'closed') return;
    this.#status = status;
    // What waited for the lost connection must not leave on the next one (N1).
    this.#outgoing.take();
    this.#gathered = 0;
    for (const listener of [...this.#listeners]) listener(status);
  }
}

/** A handler for the library to call: what it throws is a bug and ends the process (N2). */
export function guarded<T>(handler: (value: T) => void): (value: T) => void {
  return (value) => {
    try {
      handler(value);
    } catch (bug) {
      queueMicrotask(() => {
        throw bug;
      });
    }
  };
}
