/**
 * msgpack for everything that travels on NATS. One packer without shared structures, so that any process can read
 * any message by itself; sizes are checked before a byte is parsed.
 */
import { Packr } from 'msgpackr';
import { DecodeError } from './errors.ts';

const packer = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'number' });

/** The msgpack form of plain data: objects, arrays, strings, numbers, booleans, null, Uint8Array. */
export function encode(value: unknown): Uint8Array {
  return packer.pack(value);
}

/**
 * The value in `bytes`. Byte strings are views into `bytes`, not copies.
 * @throws DecodeError when it is longer than `bytesMax`, or not one whole msgpack value.
 */
export function decode(boundary: string, bytes: Uint8Array, bytesMax: number): unknown {
  if (bytes.length > bytesMax) throw new DecodeError(boundary, `${bytes.length} bytes, at most ${bytesMax}`);
  try {
    return packer.unpack(bytes);
  } catch (cause) {
    throw new DecodeError(boundary, 'not msgpack', { cause });
  }
}

/** A msgpack array whose first item is the format version `version`. Later items are the caller's to check. */
export function decodeVersioned(boundary: string, bytes: Uint8Array, bytesMax: number, version: number): unknown[] {
  const value = decode(boundary, bytes, bytesMax);
  if (!Array.isArray(value)) throw new DecodeError(boundary, 'not an array');
  if (value[0] !== version) throw new DecodeError(boundary, `format ${String(value[0])}, expected ${version}`);
  return value;
}
