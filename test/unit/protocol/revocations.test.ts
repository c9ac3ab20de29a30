import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../../../protocol/errors.ts';
import { encode } from '../../../protocol/codec.ts';
import { decodeRevocation, encodeRevocation } from '../../../protocol/revocations.ts';

const hashes = fc.stringMatching(/^[0-9a-f]{64}$/);

describe('a revocation', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), hashes, (number, tokenHash) => {
        expect(decodeRevocation(encodeRevocation({ number, tokenHash }))).toEqual({ number, tokenHash });
      }),
    );
  });

  it('that is malformed is a DecodeError, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.jsonValue().map((value) => encode(value)),
      fc.tuple(fc.constant(1), fc.jsonValue(), fc.jsonValue()).map((value) => encode(value)),
    );
    fc.assert(
      fc.property(bytes, (any) => {
        expect(() => decodeRevocation(any)).toThrow(DecodeError);
      }),
    );
  });
});
