/**
 * Sending a command to whoever owns its slot, with the retries that make a moving owner invisible. The contract;
 * command-router.ts implements it over the broker.
 *
 * Invariants:
 * S1  One request id for all attempts: 503 -> back off 10 to 80 ms and send again; 200 ms of silence -> send again;
 *     a `retryable` reply -> back off and send again; until the deadline (5 s unless told). A slot that gets a new owner
 *     is not waited for: what was sent to the one before is sent again at once.
 * S2  A `retryable` failure means no attempt can have taken effect; `unknown` means one may have.
 */
import type { Failure } from '../protocol/errors.ts';
import type { SlotCommand, SlotResult, StreamCommand, StreamResult } from '../protocol/commands.ts';
import type { StreamId } from '../protocol/ids.ts';

export type CommandOutcome<T> =
  | { readonly ok: true; readonly result: T }
  | { readonly ok: false; readonly failure: Failure };

export interface SendOptions {
  readonly deadlineMs?: number;
}

export interface CommandSender {
  /** Never rejects. */
  toStream<K extends StreamCommand['kind']>(
    stream: StreamId,
    command: Extract<StreamCommand, { kind: K }>,
    options?: SendOptions,
  ): Promise<CommandOutcome<StreamResult<K>>>;
  /** Never rejects. */
  toSlot<K extends SlotCommand['kind']>(
    slot: number,
    command: Extract<SlotCommand, { kind: K }>,
    options?: SendOptions,
  ): Promise<CommandOutcome<SlotResult<K>>>;
}
