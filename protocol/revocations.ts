/**
 * Revocations: the news `revoked` that a token is dead, for every process that remembers tokens.
 *
 * V1  Numbers rise by one with each revocation in the cluster. A receiver that finds a hole has missed one and forgets
 *     every token it remembers; 0 says that the number is not known, and counts as a hole.
 */
import { decodeVersioned, encode } from './codec.ts';
import { DecodeError } from './errors.ts';

export const REVOCATION_FORMAT = 1;
const TOKEN_HASH = /^[0-9a-f]{64}$/;

export interface Revocation {
  readonly number: number;
  /** SHA-256 of the token, in hex. */
  readonly tokenHash: string;
}

export function encodeRevocation({ number, tokenHash }: Revocation): Uint8Array {
  return encode([REVOCATION_FORMAT, number, tokenHash]);
}

/** @throws DecodeError */
export function decodeRevocation(bytes: Uint8Array): Revocation {
  const [, number, tokenHash] = decodeVersioned('revocation', bytes, 256, REVOCATION_FORMAT);
  if (!Number.isSafeInteger(number) || (number as number) < 0) throw new DecodeError('revocation', 'malformed number');
  if (typeof tokenHash !== 'string' || !TOKEN_HASH.test(tokenHash))
    throw new DecodeError('revocation', 'malformed hash');
  return { number: number as number, tokenHash };
}
