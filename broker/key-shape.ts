/** The shapes of keys and filters in a bucket: NATS subject tokens, held by every implementation alike. */
import { assert } from '../platform/assert.ts';

const KEY = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
const FILTER = /^(?:>|(?:[A-Za-z0-9_-]+|\*)(?:\.(?:[A-Za-z0-9_-]+|\*))*(?:\.>)?)$/;

export function checkKey(key: string): void {
  assert(KEY.test(key), 'key-value/key-shape', { key });
}

export function checkFilter(filter: string): void {
  assert(FILTER.test(filter), 'key-value/filter-shape', { filter });
}
