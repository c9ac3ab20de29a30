/**
 * Cutting a dead incarnation off: every connection it has is closed from the broker's side, also those of a frozen
 * process, before its slots go to others. After that nothing of it can arrive.
 *
 * Invariants:
 * V1  `cut-off` is said only when every server of the broker listed all its connections, ours among them, and none was
 *     the dead one's. Anything less is `unsure`, and the new owners fence instead of trusting.
 * V2  It ends within `evictionMs`; sooner when those servers that answer have nothing left to close. A server that is
 *     dead, frozen or cut off holds up no eviction: nobody can tell which of them it is, so it makes each one `unsure`
 *     until it answers again or an operator removed it (docs/decisions/0016).
 * V3  The node's entry is deleted before (ring-manager.ts): a process that reconnects afterwards learns that it is dead
 *     before it serves anything.
 */
import { clientName, type BrokerSystem, type ConnectionList, type ConnectionRef } from '../broker/broker.ts';
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
  let silentRounds = 0;
  while (clock.monotonicMs() < deadlineMs && silentRounds < limits.evictionSilentRoundsMax) {
    const listed = await list(dead, system, options);
    if (listed === undefined) await clock.sleep(limits.confirmRetryMs);
    else if (listed.connections.length > 0) await closeThese(listed.connections, system, clock);
    else if (listed.isComplete) return 'cut-off';
    else silentRounds += 1;
  }
  return 'unsure';
}

/** Undefined when the list cannot be trusted at all: our own connections are not on it. */
async function list(
  dead: Incarnation,
  system: BrokerSystem,
  { self }: EvictionOptions,
): Promise<ConnectionList | undefined> {
  try {
    const [theirs, ours] = await Promise.all([
      system.connectionsOf(clientName(dead, ''), limits.evictionRoundMs),
      system.connectionsOf(clientName(self, ''), limits.evictionRoundMs),
    ]);
    return ours.connections.length === 0 ? undefined : theirs;
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
