/**
 * Control messages: what one node's cluster code says to another's on `belfry.ctl.<role>.<incarnation>`. Some are requests
 * with an answer, some are told once and repeated by their sender's own rules. Cold path: msgpack of plain arrays.
 *
 * A SlotClaim [slot, epoch] names one ownership, so that a late message about an earlier one is told apart.
 */
import { decodeVersioned, encode } from './codec.ts';
import { DecodeError } from './errors.ts';
import { parseIncarnation, type Incarnation } from './ids.ts';

export const CONTROL_FORMAT = 1;
export const CONTROL_BYTES_MAX = 512 * 1024;

export type SlotClaim = readonly [slot: number, epoch: number];

export type ControlMessage =
  /** Request: are you there? Answer: nothing but its arrival. */
  | { readonly kind: 'ping' }
  /** New owner to old: I am subscribed and buffer; stop taking commands. */
  | { readonly kind: 'prepared'; readonly from: Incarnation; readonly claims: readonly SlotClaim[] }
  /** Request, old owner to new: everything of mine is acknowledged, the slots are yours. */
  | { readonly kind: 'release'; readonly from: Incarnation; readonly claims: readonly SlotClaim[] }
  /** Old owner to new, before the `release` and not repeated: a part of what the slot's actors leave. */
  | {
      readonly kind: 'hot';
      readonly from: Incarnation;
      readonly claims: readonly SlotClaim[];
      readonly chunk: Uint8Array;
    }
  /** New owner to ring manager: I serve these. */
  | { readonly kind: 'opened'; readonly from: Incarnation; readonly claims: readonly SlotClaim[] }
  /** Request, ring manager to new owner. Answer: those of `claims` that it serves. */
  | { readonly kind: 'status'; readonly claims: readonly SlotClaim[] }
  /** Request, ring manager to old owner past the deadline: drop these now. Answer: all of `claims`, once dropped. */
  | { readonly kind: 'let-go'; readonly claims: readonly SlotClaim[] }
  /** To the ring manager: the log of a slot that I own shows an epoch above mine. */
  | { readonly kind: 'raise'; readonly from: Incarnation; readonly claims: readonly SlotClaim[] }
  /** Request from an operator, on a subject of its own: hand everything off and end. Answer: its arrival. */
  | { readonly kind: 'drain' };

const WITH_CLAIMS = ['prepared', 'release', 'hot', 'opened', 'status', 'let-go', 'raise'] as const;
const WITH_SENDER: readonly string[] = ['prepared', 'release', 'hot', 'opened', 'raise'];

export function encodeControl(message: ControlMessage): Uint8Array {
  const claims = 'claims' in message ? message.claims : null;
  const from = 'from' in message ? message.from : null;
  const fields = [CONTROL_FORMAT, message.kind, from, claims];
  return encode(message.kind === 'hot' ? [...fields, message.chunk] : fields);
}

/** A chunk is a view into `bytes`. @throws DecodeError */
export function decodeControl(bytes: Uint8Array): ControlMessage {
  const [, kind, from, claims, chunk] = decodeVersioned('control', bytes, CONTROL_BYTES_MAX, CONTROL_FORMAT);
  if (kind === 'ping' || kind === 'drain') return { kind };
  const known = WITH_CLAIMS.find((name) => name === kind);
  if (known === undefined || !isClaims(claims)) throw new DecodeError('control', 'malformed');
  if (!WITH_SENDER.includes(known)) return { kind: known, claims } as ControlMessage;
  const sender = parseIncarnation(from);
  if (sender === undefined) throw new DecodeError('control', 'malformed sender');
  if (known !== 'hot') return { kind: known, from: sender, claims } as ControlMessage;
  if (!(chunk instanceof Uint8Array)) throw new DecodeError('control', 'malformed chunk');
  return { kind: known, from: sender, claims, chunk };
}

/** The answer to a request: the claims it is about; empty for `ping` and `drain`. */
export function encodeClaims(claims: readonly SlotClaim[]): Uint8Array {
  return encode([CONTROL_FORMAT, claims]);
}

/** @throws DecodeError */
export function decodeClaims(bytes: Uint8Array): readonly SlotClaim[] {
  const [, claims] = decodeVersioned('claims', bytes, CONTROL_BYTES_MAX, CONTROL_FORMAT);
  if (!isClaims(claims)) throw new DecodeError('claims', 'malformed');
  return claims;
}

function isClaims(value: unknown): value is SlotClaim[] {
  return Array.isArray(value) && value.every((claim) => Array.isArray(claim) && isCount(claim[0]) && isCount(claim[1]));
}
function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
