/** Typed views of the answers to slot commands: the command's kind says what its result is. */
import type { SlotCommand, SlotResult } from '../protocol/commands.ts';
import type { SlotAnswer } from './gateway-messages.ts';

/** The result of a command of this kind; undefined where it failed. */
export function asSlotResult<K extends SlotCommand['kind']>(kind: K, answer: SlotAnswer): SlotResult<K> | undefined {
  if (!answer.outcome.ok || answer.ask.command.kind !== kind) return undefined;
  return answer.outcome.result as SlotResult<K>;
}
