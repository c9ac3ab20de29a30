/**
 * The worker's side of commands that are sent to it by name: a process that sends several commands of one turn to the
 * slots of one worker packs them into one message, which spares the broker and both ends most of the work of each.
 *
 * Invariants:
 * D1  A command is handed to the host only while its slot is served here and not on its way out. Else it goes on to the
 *     slot's own subject, as if it had been sent there, with a reply subject of its own: it is handed over, buffered or
 *     refused there, and a 503 concerns it alone. What came by a slot's subject never goes on.
 * D2  So a drained subscription of a slot stays the last word on what the slot has still to answer (O2 of slot-owner.ts),
 *     and a sender that follows an old table costs a detour, never an effect.
 */
import type { BrokerMessage, Messaging, Subscription } from '../broker/broker.ts';
import { COMMAND_QUEUE, replyOf, subjects } from '../broker/subjects.ts';
import type { Logger } from '../platform/logger.ts';
import { decodeBundle, type BundledCommand } from '../protocol/envelopes.ts';
import { DecodeError } from '../protocol/errors.ts';
import type { Incarnation } from '../protocol/ids.ts';
import type { SlotHost } from './slot-host.ts';

export interface DirectCommandsOptions {
  readonly self: Incarnation;
  readonly commands: Messaging;
  readonly host: Pick<SlotHost, 'deliver'>;
  readonly logger: Logger;
  readonly checkPulse: () => void;
  /** The slot is served here, and nobody waits for it to be released. */
  readonly serves: (slot: number) => boolean;
}

export class DirectCommands {
  readonly #options: DirectCommandsOptions;
  readonly #subscription: Subscription;

  constructor(options: DirectCommandsOptions) {
    const { commands, self } = options;
    this.#options = options;
    const receive = (message: BrokerMessage): void => this.#receive(message);
    this.#subscription = commands.subscribe(subjects.commands(self), receive, { queue: COMMAND_QUEUE });
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }

  drain(): Promise<void> {
    return this.#subscription.drain();
  }

  #receive({ noResponders, data, reply }: BrokerMessage): void {
    if (noResponders) return;
    const { checkPulse, serves, host, logger } = this.#options;
    checkPulse();
    try {
      for (const command of decodeBundle(data)) {
        if (serves(command.slot)) host.deliver(command.slot, command.bytes, reply);
        else this.#passOn(command, reply);
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      logger.warn('command_malformed', { reason: error.message });
    }
  }

  /** D1 */
  #passOn({ slot, id, bytes }: BundledCommand, reply: string | undefined): void {
    const own = reply === undefined ? undefined : replyOf(reply, id);
    this.#options.commands.publish(subjects.command(slot), bytes.slice(), own);
  }
}
