/**
 * Cutting a dead incarnation off: every connection it has is closed from the broker's side, also those of a frozen
 * process, before its slots go to others. After that nothing of it can arrive.
 *
 * Invariants:
 * V1  `cut-off` is said only when the broker's servers listed the connections, ours among them, and none was the dead
 *     one's. Anything less is `unsure`, and the new owners fence instead of trusting.
 * V2  It ends within `evictionMs`.
 * V3  The node's entry is deleted before (ring-manager.ts): a process that reconnects afterwards learns that it is dead
 *     before it serves anything.
 */
import { clientName, type BrokerSystem, type ConnectionRef } from '../broker/broker.ts';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { Incarnation } from '../protocol/ids.ts';

export type Eviction = 'cut-off' | 'unsure';

export interface EvictionOptions {
  readonly self: Incarnation;
  readonly system: BrokerSystem | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Never rejects. */
export async function evict(dead: Incarnation, options: EvictionOptions): Promise<Eviction> {
  const { system, clock, logger } = options;
  const startedMs = clock.monotonicMs();
  const result = system === undefined ? 'unsure' : await closeAll(dead, system, options);
  logger.info('node_evicted', { node: dead, result, tookMs: Math.round(clock.monotonicMs() - startedMs) });
  return result;
}

async function closeAll(dead: Incarnation, system: BrokerSystem, options: EvictionOptions): Promise<Eviction> {
  const { clock } = options;
  const deadlineMs = clock.monotonicMs() + limits.evictionMs;
  while (clock.monotonicMs() < deadlineMs) {
    const listed = await connections(dead, system, options);
    if (listed?.length === 0) return 'cut-off';
    if (listed === undefined) await clock.sleep(limits.confirmRetryMs);
    else await closeThese(listed, system, clock);
  }
  return 'unsure';
}

/** Undefined when the list cannot be trusted: our own connections are not on it. */
async function connections(
  dead: Incarnation,
  system: BrokerSystem,
  { self }: EvictionOptions,
): Promise<readonly ConnectionRef[] | undefined> {
  try {
    const [theirs, ours] = await Promise.all([
      system.connectionsOf(clientName(dead, ''), limits.evictionRoundMs),
      system.connectionsOf(clientName(self, ''), limits.evictionRoundMs),
    ]);
    return ours.length === 0 ? undefined : theirs;
  } catch {
    return undefined;
  }
}

/** Asks for each to be closed, and waits until the broker says that they are, or for one round. */
async function closeThese(listed: readonly ConnectionRef[], system: BrokerSystem, clock: Clock): Promise<void> {
  const open = new Set(listed.map(nameOf));
  const allClosed = new AbortController();
  const stopListening = system.onDisconnect(({ connection }) => {
    open.delete(nameOf(connection));
    if (open.size === 0) allClosed.abort();
  });
  await Promise.all(listed.map((connection) => system.kick(connection, limits.evictionRoundMs)));
  await clock.sleep(limits.evictionRoundMs, allClosed.signal);
  stopListening();
}

const nameOf = ({ server, client }: ConnectionRef): string => `${server}/${client}`;
