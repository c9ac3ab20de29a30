/**
 * JSON records in a key-value bucket: reads, creations that tell a first from a repeat, and compare-and-set changes,
 * each with an outcome as a value.
 *
 * R1  A write whose outcome the broker does not know is read back before anybody is told anything.
 * R2  A change is tried again on a conflict, at most `directoryWriteAttemptsMax` times.
 */
import type { KeyValue } from '../broker/broker.ts';
import { limits } from '../platform/limits.ts';
import { encodeJson } from './directory-records.ts';

type Decode<T> = (bytes: Uint8Array) => T | undefined;
type Unavailable = { readonly kind: 'unavailable' };
type Absent = { readonly kind: 'absent' };

/** A record that cannot be read as what it should be counts as absent. */
export type Lookup<T> = { readonly kind: 'found'; readonly value: T; readonly revision: number } | Absent | Unavailable;
export type Creation<T> =
  | { readonly kind: 'created'; readonly revision: number }
  | { readonly kind: 'exists'; readonly value: T; readonly revision: number }
  | Unavailable;
export type Change<T> =
  | { readonly kind: 'changed'; readonly value: T; readonly revision: number }
  /** The record stood as it should already. */
  | { readonly kind: 'same'; readonly value: T; readonly revision: number }
  | Absent
  | Unavailable;

export const UNAVAILABLE: Unavailable = { kind: 'unavailable' };
const ABSENT: Absent = { kind: 'absent' };

export class RecordBucket {
  readonly #kv: KeyValue;

  constructor(kv: KeyValue) {
    this.#kv = kv;
  }

  async read<T>(key: string, decode: Decode<T>): Promise<Lookup<T>> {
    const read = await this.#kv.get(key);
    if (read.kind !== 'found') return read.kind === 'absent' ? ABSENT : UNAVAILABLE;
    const value = decode(read.entry.value);
    return value === undefined ? ABSENT : { kind: 'found', value, revision: read.entry.revision };
  }

  async create<T>(key: string, value: T, decode: Decode<T>): Promise<Creation<T>> {
    const bytes = encodeJson(value);
    const written = await this.#kv.create(key, bytes);
    if (written.kind === 'written') return { kind: 'created', revision: written.revision };
    const standing = await this.#kv.get(key);
    if (standing.kind !== 'found') return UNAVAILABLE;
    const { revision } = standing.entry;
    if (written.kind === 'unknown' && Buffer.compare(standing.entry.value, bytes) === 0) {
      return { kind: 'created', revision };
    }
    const other = decode(standing.entry.value);
    return other === undefined ? UNAVAILABLE : { kind: 'exists', value: other, revision };
  }

  /** `next` gives the record as it should be; undefined: as it is. It may be called several times. */
  async change<T>(key: string, decode: Decode<T>, next: (value: T) => T | undefined): Promise<Change<T>> {
    for (let attempt = 0; attempt < limits.directoryWriteAttemptsMax; attempt++) {
      const standing = await this.read(key, decode);
      if (standing.kind !== 'found') return standing;
      const value = next(standing.value);
      if (value === undefined) return { ...standing, kind: 'same' };
      const written = await this.#kv.update(key, encodeJson(value), standing.revision);
      if (written.kind === 'written') return { kind: 'changed', value, revision: written.revision };
    }
    return UNAVAILABLE;
  }
}
