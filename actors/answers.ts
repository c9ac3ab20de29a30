/**
 * Answering commands: on the reply subject, or as an entry of the asking gateway's batches, in order with the events.
 *
 * Invariants:
 * W1  A ticket is answered once: the first answer counts, later ones (of work that went on while its slot was given
 *     up) are dropped.
 * W2  A slot knows its open tickets: a planned close waits for them, giving the slot up answers them.
 */
import type { Messaging } from '../broker/broker.ts';
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
  readonly owner: TicketOwner;
}

export interface TicketOwner {
  /** Of the slot's grant; absent where there is none. */
  readonly epoch?: number;
  /** False: it was answered before. */
  settle(ticket: Ticket): boolean;
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
    if (!ticket.owner.settle(ticket)) return;
    const { epoch } = ticket.owner;
    if (ticket.via !== undefined)
      this.#outboxes.reply(ticket.via, epoch === undefined ? reply : { ...reply, epoch }, bytes);
    else if (ticket.subject !== undefined) this.#messaging.publish(ticket.subject, encodeReply(reply));
  }
}
