/** What is asked of a slot as a whole, and of a stream's past without its actor. */
import type { SlotCommand, StreamCommand } from '../protocol/commands.ts';
import { retryable } from '../protocol/errors.ts';
import type { StreamId } from '../protocol/ids.ts';
import { limits } from '../platform/limits.ts';
import type { Ticket } from './answers.ts';
import type { Slot } from './slot.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { WorkerContext } from './worker-context.ts';

type Events = Extract<StreamCommand, { kind: 'events' }>;

const REPLY_BYTES = 64;
const ENTRY_BYTES = 96;

export class SlotCommands {
  readonly #context: WorkerContext;
  readonly #subscriptions: Subscriptions;

  constructor(context: WorkerContext, subscriptions: Subscriptions) {
    this.#context = context;
    this.#subscriptions = subscriptions;
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
        void this.#subscriptions.admit(slot, command, (admissions) =>
          answers.result(ticket, { admissions }, ENTRY_BYTES * admissions.length),
        );
        return;
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

  /** Events of any stream, hydrated or not: from the hot tail at once, else from the log, bounded over the worker. */
  events(slot: Slot, ticket: Ticket, stream: StreamId, command: Events): void {
    const { answers, hotTails, reads } = this.#context;
    const tail = slot.find(stream)?.seq ?? -1;
    const upTo = Math.min(command.upTo, tail, command.after + command.limit);
    const hot = tail < 0 || command.after > tail ? undefined : this.#hot(hotTails, stream, command.after, upTo);
    if (hot !== undefined) {
      const result = { events: hot, tail, gone: false };
      return answers.result(ticket, result, hot.length > 0 ? limits.readAnswerBytesMax : REPLY_BYTES);
    }
    const work = () => this.#readEvents(slot, ticket, stream, command);
    if (!reads.run(work)) answers.failure(ticket, retryable('too many reads'));
  }

  #hot(tails: WorkerContext['hotTails'], stream: StreamId, after: number, upTo: number) {
    return tails.between(stream, after, upTo, limits.readAnswerBytesMax);
  }

  async #readEvents(slot: Slot, ticket: Ticket, stream: StreamId, command: Events): Promise<void> {
    const { answers } = this.#context;
    const entry = slot.entry(stream);
    const failure = await this.#subscriptions.position(slot, entry);
    slot.release(entry);
    if (failure !== undefined) return answers.failure(ticket, failure);
    const tail = await slot.reads.tail(stream);
    if (!tail.ok) return answers.failure(ticket, tail.failure);
    const read = await slot.reads.events(stream, tail.value.position, command);
    if (read.ok) answers.result(ticket, read.value, limits.readAnswerBytesMax);
    else answers.failure(ticket, read.failure);
  }
}
