/**
 * What is asked of a slot as a whole.
 *
 * T1  A command that takes its time is carried out once: what its sender repeats meanwhile, having heard nothing, is let
 *     go without an answer, or a busy worker would do ever more of the same work.
 */
import type { SlotCommand } from '../protocol/commands.ts';
import { retryable } from '../protocol/errors.ts';
import type { Ticket } from './answers.ts';
import { EventPages } from './event-pages.ts';
import type { Slot } from './slot.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { WorkerContext } from './worker-context.ts';

const REPLY_BYTES = 64;
const ENTRY_BYTES = 96;

export class SlotCommands {
  readonly #context: WorkerContext;
  readonly #subscriptions: Subscriptions;
  readonly #pages: EventPages;
  /** T1 */
  readonly #underWay = new Set<string>();

  constructor(context: WorkerContext, subscriptions: Subscriptions) {
    this.#context = context;
    this.#subscriptions = subscriptions;
    this.#pages = new EventPages(context, subscriptions);
  }

  handle(slot: Slot, ticket: Ticket, command: SlotCommand): void {
    const { answers, outboxes } = this.#context;
    if ('gateway' in command && outboxes.isGone(command.gateway.incarnation)) {
      return answers.failure(ticket, retryable('gateway is gone'));
    }
    switch (command.kind) {
      case 'cursors':
        if (this.#subscriptions.cursors(slot, command)) return answers.result(ticket, {}, REPLY_BYTES);
        return answers.failure(ticket, retryable('too many cursors wait'));
      case 'forget':
        this.#subscriptions.forget(slot, outboxes.of(command.gateway), command.streams);
        return answers.result(ticket, {}, REPLY_BYTES);
      case 'admit':
        return this.#once(ticket, () =>
          this.#subscriptions.admit(slot, command, (admissions) =>
            answers.result(ticket, { admissions }, ENTRY_BYTES * admissions.length),
          ),
        );
      case 'events':
        return this.#once(ticket, () => this.#pages.answer(slot, ticket, command));
      case 'sessions':
        slot.presence.sessions(command);
        return answers.result(ticket, {}, REPLY_BYTES);
      case 'watch-presence': {
        const states = slot.presence.watch(outboxes.of(command.gateway), command.users);
        return answers.result(ticket, { states }, ENTRY_BYTES * states.length);
      }
      case 'unwatch-presence':
        slot.presence.unwatch(outboxes.of(command.gateway), command.users);
        return answers.result(ticket, {}, REPLY_BYTES);
      case 'query-presence': {
        const states = slot.presence.query(command.users);
        return answers.result(ticket, { states }, ENTRY_BYTES * states.length);
      }
      default:
        command satisfies never;
    }
  }

  #once(ticket: Ticket, work: () => Promise<void>): void {
    const { via, owner, requestId } = ticket;
    if (via === undefined) return void work();
    const name = `${via.incarnation} ${requestId}`;
    if (this.#underWay.has(name)) return void owner.settle(ticket);
    this.#underWay.add(name);
    void work().finally(() => this.#underWay.delete(name));
  }
}
