/**
 * The control channel of one node: its requests to others' incarnations, and theirs to it, on the control lane.
 *
 * Invariants:
 * C1  An incarnation listens before its entry is written, so that nobody takes a newcomer for dead.
 * C2  A malformed message is logged and dropped; a request is answered by its handler, or not at all.
 * C3  `drain` has a subject of its own, and nothing else is heard there: a webapp, which asks for operators, may publish
 *     to it and to no other of these subjects (nats.conf).
 */
import type { BrokerMessage, Messaging, Subscription } from '../broker/broker.ts';
import { subjects } from '../broker/subjects.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import {
  decodeClaims,
  decodeControl,
  encodeClaims,
  encodeControl,
  type ControlMessage,
  type SlotClaim,
} from '../protocol/control.ts';
import type { NodeEntry } from '../protocol/cluster.ts';
import { DecodeError } from '../protocol/errors.ts';
import type { Incarnation } from '../protocol/ids.ts';

/** Gives the answer to a request; undefined answers nothing. */
export type ControlHandler<K extends ControlMessage['kind']> = (
  message: Extract<ControlMessage, { kind: K }>,
) => readonly SlotClaim[] | undefined;

export type ControlAnswer =
  | { readonly kind: 'answer'; readonly claims: readonly SlotClaim[] }
  /** The broker knows of nobody who listens. */
  | { readonly kind: 'nobody' }
  | { readonly kind: 'silence' };

type NodeAddress = Pick<NodeEntry, 'role' | 'incarnation'>;

export class ControlChannel {
  readonly #lane: Messaging;
  readonly #self: NodeAddress;
  readonly #logger: Logger;
  readonly #handlers = new Map<string, (message: never) => readonly SlotClaim[] | undefined>();
  #subscriptions: readonly Subscription[] = [];

  constructor(lane: Messaging, self: NodeAddress, logger: Logger) {
    this.#lane = lane;
    this.#self = self;
    this.#logger = logger;
    this.handle('ping', () => []);
  }

  listen(): void {
    const { role, incarnation } = this.#self;
    this.#subscriptions = [
      this.#lane.subscribe(subjects.control(role, incarnation), (message) => this.#receive(message, false)),
      this.#lane.subscribe(subjects.drain(incarnation), (message) => this.#receive(message, true)),
    ];
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** One handler a kind; a later one replaces it. */
  handle<K extends ControlMessage['kind']>(kind: K, handler: ControlHandler<K>): void {
    this.#handlers.set(kind, handler);
  }

  /** A worker, once, at most once. */
  tell(to: Incarnation, message: ControlMessage): void {
    this.#lane.publish(subjects.control('worker', to), encodeControl(message));
  }

  /** A worker. */
  ask(to: Incarnation, message: ControlMessage, timeoutMs: number = limits.controlRequestMs): Promise<ControlAnswer> {
    return this.#request(subjects.control('worker', to), message, timeoutMs);
  }

  /** A node of any role: whether it is there. */
  ping({ role, incarnation }: NodeAddress, timeoutMs: number): Promise<ControlAnswer> {
    return this.#request(subjects.control(role, incarnation), { kind: 'ping' }, timeoutMs);
  }

  /** A node of any role, for an operator (C3). */
  askToDrain(to: Incarnation): Promise<ControlAnswer> {
    return this.#request(subjects.drain(to), { kind: 'drain' }, limits.controlRequestMs);
  }

  async #request(subject: string, message: ControlMessage, timeoutMs: number): Promise<ControlAnswer> {
    const outcome = await this.#lane.request(subject, encodeControl(message), timeoutMs);
    switch (outcome.kind) {
      case 'reply':
        return this.#answer(outcome.data);
      case 'no-responders':
        return { kind: 'nobody' };
      case 'timeout':
      case 'unavailable':
        return { kind: 'silence' };
      default:
        return outcome satisfies never;
    }
  }

  #answer(data: Uint8Array): ControlAnswer {
    try {
      return { kind: 'answer', claims: decodeClaims(data) };
    } catch (error) {
      this.#drop(error);
      return { kind: 'silence' };
    }
  }

  #receive(message: BrokerMessage, onDrainSubject: boolean): void {
    if (message.noResponders) return;
    try {
      const request = decodeControl(message.data);
      if ((request.kind === 'drain') !== onDrainSubject) throw new DecodeError('control', 'on another subject');
      const handler = this.#handlers.get(request.kind);
      const claims = handler?.(request as never);
      if (claims !== undefined && message.reply !== undefined) this.#lane.publish(message.reply, encodeClaims(claims));
    } catch (error) {
      this.#drop(error);
    }
  }

  #drop(error: unknown): void {
    if (!(error instanceof DecodeError)) throw error;
    this.#logger.warn('control_message_dropped', { reason: error.message });
  }
}
