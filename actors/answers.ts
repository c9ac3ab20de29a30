/**
 * Answering commands: on the reply subject, or as an entry of the asking gateway's batches, in order with the events.
 *
 * Invariants:
 * W1  A ticket is answered exactly once; its slot counts the open ones, so that a planned close knows when it is done.
 */
import type { Messaging } from '../broker/broker.ts';
import { assert } from '../platform/assert.ts';
import type { GatewayRef, Reply } from '../protocol/commands.ts';
import { encodeReply } from '../protocol/envelopes.ts';
import type { Failure } from '../protocol/errors.ts';
import type { GatewayOutboxes } from './gateway-outbox.ts';

/** One command that waits for its answer. */
export interface Ticket {
  readonly requestId: number;
  readonly subject: string | undefined;
  readonly via: GatewayRef | undefined;
  /** Bytes of the command as it came. */
  readonly bytes: number;
  /** Who counts it as open. */
  readonly counter: { open: number; settled(): void };
  answered: boolean;
}

const FAILURE_BYTES = 160;

export class Answers {
  readonly #messaging: Pick<Messaging, 'publish'>;
  readonly #outboxes: GatewayOutboxes;

  constructor(messaging: Pick<Messaging, 'publish'>, outboxes: GatewayOutboxes) {
    this.#messaging = messaging;
    this.#outboxes = outboxes;
  }

  /** `bytes`: what the result takes on the wire, about. */
  result(ticket: Ticket, result: unknown, bytes: number): void {
    this.#send(ticket, { requestId: ticket.requestId, ok: true, result }, bytes);
  }

  failure(ticket: Ticket, failure: Failure): void {
    this.#send(ticket, { requestId: ticket.requestId, ok: false, failure }, FAILURE_BYTES);
  }

  #send(ticket: Ticket, reply: Reply, bytes: number): void {
    assert(!ticket.answered, 'answers/exactly-once', { requestId: ticket.requestId });
    ticket.answered = true;
    ticket.counter.open -= 1;
    if (ticket.via !== undefined) this.#outboxes.reply(ticket.via, reply, bytes);
    else if (ticket.subject !== undefined) this.#messaging.publish(ticket.subject, encodeReply(reply));
    ticket.counter.settled();
  }
}
