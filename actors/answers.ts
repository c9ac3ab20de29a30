/**
 * Answering commands: on the reply subject, or as an entry of the asking gateway's batches, in order with the events.
 *
 * Invariants:
 * W1  A ticket is answered once: the first answer counts, later ones (of work that went on while its slot was given
 *     up) are dropped.
 * W2  A slot knows its open tickets: a planned close waits for them, giving the slot up answers them.
 * W3  The replies of one turn of the loop to one process travel together.
 */
import type { Messaging } from '../broker/broker.ts';
import { replyOf } from '../broker/subjects.ts';
import { TurnBundles } from '../broker/turn-bundles.ts';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { GatewayRef, Reply } from '../protocol/commands.ts';
import { encodeReplies } from '../protocol/envelopes.ts';
import type { Failure } from '../protocol/errors.ts';
import type { GatewayOutboxes } from './gateway-outbox.ts';

/** One command that waits for its answer. */
export interface Ticket {
  readonly requestId: number;
  /** The asking process's; its last token does not matter. */
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
  readonly #outboxes: GatewayOutboxes;
  /** W3 */
  readonly #bundles: TurnBundles<Reply>;
  /** Of the latest reply; nearly all commands of a turn came with one subject. */
  #subject = '';
  #address = '';

  constructor(messaging: Pick<Messaging, 'publish'>, outboxes: GatewayOutboxes, clock: Clock) {
    this.#outboxes = outboxes;
    this.#bundles = new TurnBundles({
      clock,
      bytesMax: limits.replyBundleBytesMax,
      send: (subject, replies) => messaging.publish(subject, encodeReplies(replies)),
    });
  }

  /** Sends what waits, now. */
  flush(): void {
    this.#bundles.flush();
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
    else if (ticket.subject !== undefined) this.#bundles.add(this.#addressOf(ticket.subject), reply, bytes);
  }

  #addressOf(subject: string): string {
    if (subject !== this.#subject) {
      this.#subject = subject;
      this.#address = replyOf(subject, 0);
    }
    return this.#address;
  }
}
