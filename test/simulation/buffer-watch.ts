/**
 * Counts for itself what waits in every mailbox and hand-off buffer of a simulated history, at each push, and looks at what
 * the gateways hold between any two timers (G8).
 *
 * U1  A mailbox never has more messages or bytes than its limits.
 * U2  Nor has what is held for one slot in hand-off, or for all of one worker's.
 * U3  A gateway never holds more bytes behind gaps than its limit, but for the one event that showed it.
 */
import { Mailbox } from '../../actors/mailbox.ts';
import { HandoffBuffer } from '../../cluster/handoff-buffer.ts';
import type { SimGateway } from './sim-gateway.ts';
import type { SimWorld } from './sim-world.ts';

export interface BufferLimits {
  readonly mailboxMessagesMax: number;
  readonly mailboxBytesMax: number;
  readonly handoffBufferMessagesMax: number;
  readonly handoffBufferBytesMax: number;
  readonly gapHoldBytesMax: number;
}

/** No event of a simulation is larger. */
const EVENT_BYTES_MAX = 1_024;

const { push, shift, drain } = Mailbox.prototype;
const { hold, take } = HandoffBuffer.prototype;
const sum = (all: Iterable<number>) => [...all].reduce((total, one) => total + one, 0);

/** Returns the way to end it; one watch at a time. */
export function watchBuffers(world: SimWorld, gateways: () => readonly SimGateway[], most: BufferLimits): () => void {
  const atMost = (what: string, value: number, max: number): void => {
    if (value > max) world.history.violate('every buffer keeps its limit', `${what}: ${value} of ${max}`);
  };
  watchMailboxes(world, most, atMost);
  watchHandoffs(world, most, atMost);
  world.always(() => {
    for (const { name, shell } of gateways()) {
      atMost(`bytes held by ${name}`, shell.heldBytes, most.gapHoldBytesMax + EVENT_BYTES_MAX);
    }
  });
  return () => {
    Object.assign(Mailbox.prototype, { push, shift, drain });
    Object.assign(HandoffBuffer.prototype, { hold, take });
  };
}

type AtMost = (what: string, value: number, max: number) => void;

function watchMailboxes({ history }: SimWorld, most: BufferLimits, atMost: AtMost): void {
  const waiting = new WeakMap<object, number[]>();
  const of = (box: object): number[] => waiting.get(box) ?? waiting.set(box, []).get(box)!;
  Mailbox.prototype.push = function counted(message, bytes) {
    const taken = push.call(this, message, bytes);
    if (!taken) history.saw('mailbox-full');
    else of(this).push(bytes);
    atMost('messages in a mailbox', of(this).length, most.mailboxMessagesMax);
    atMost('bytes in a mailbox', sum(of(this)), most.mailboxBytesMax);
    return taken;
  };
  Mailbox.prototype.shift = function counted() {
    of(this).shift();
    return shift.call(this);
  };
  Mailbox.prototype.drain = function counted() {
    waiting.delete(this);
    return drain.call(this);
  };
}

function watchHandoffs({ history }: SimWorld, most: BufferLimits, atMost: AtMost): void {
  const held = new WeakMap<object, Map<number, number[]>>();
  const of = (buffer: object): Map<number, number[]> => held.get(buffer) ?? held.set(buffer, new Map()).get(buffer)!;
  HandoffBuffer.prototype.hold = function counted(slot, bytes, reply) {
    const slots = of(this);
    const taken = hold.call(this, slot, bytes, reply);
    if (!taken) history.saw('handoff-buffer-full');
    else slots.set(slot, [...(slots.get(slot) ?? []), bytes.length]);
    atMost('commands held for a slot', slots.get(slot)?.length ?? 0, most.handoffBufferMessagesMax);
    atMost('bytes held for slots', sum([...slots.values()].map(sum)), most.handoffBufferBytesMax);
    return taken;
  };
  HandoffBuffer.prototype.take = function counted(slot) {
    of(this).delete(slot);
    return take.call(this, slot);
  };
}
