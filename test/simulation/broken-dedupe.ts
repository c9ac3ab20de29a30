/**
 * The mutation `dedupeAfterConflictOff`: for a moment after the log refused an append because another record stands
 * there, no actor finds a repeat. That is an actor that applies its turn again without deciding it again.
 */
import { Dedupe } from '../../actors/dedupe.ts';
import type { MemoryBrokerHub } from '../../broker/memory-broker.ts';
import type { SimClock } from './sim-clock.ts';

/** Reading what came first takes a few round trips. */
const MOMENT_MS = 12;
const find = Dedupe.prototype.find;

export function breakDedupe(hub: MemoryBrokerHub, clock: SimClock): void {
  let conflictMs = Number.NEGATIVE_INFINITY;
  const store = hub.streams.append.bind(hub.streams);
  hub.streams.append = (subject, data, expected) => {
    const attempt = store(subject, data, expected);
    if (attempt.kind === 'conflict') conflictMs = clock.monotonicMs();
    return attempt;
  };
  Dedupe.prototype.find = function blind(author, mutation) {
    return clock.monotonicMs() - conflictMs < MOMENT_MS ? undefined : find.call(this, author, mutation);
  };
}

export function mendDedupe(): void {
  Dedupe.prototype.find = find;
}
