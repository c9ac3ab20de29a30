/** Slots: which of the 4,096 a stream hashes to. Fixed for a cluster's life: FNV-1a, 32 bits, then a final mix. */
import { SLOTS } from '../broker/subjects.ts';
import type { StreamId } from '../protocol/ids.ts';

/** 0 … SLOTS-1. The same in every release: records stand under it. */
export function slotOf(stream: StreamId): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < stream.length; i++) {
    hash ^= stream.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  return (hash >>> 0) & (SLOTS - 1);
}
