/** When an eviction is sure, and that it ends. */
import { describe, expect, it } from 'vitest';
import type { BrokerSystem, ConnectionList } from '../../../broker/broker.ts';
import { evict, type Eviction } from '../../../cluster/eviction.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { silentLogger } from '../../../platform/logger.ts';
import { SeededRng } from '../../../platform/rng.ts';
import { makeIncarnation, parseNodeId } from '../../../protocol/ids.ts';

const rng = new SeededRng(1);
const self = makeIncarnation(parseNodeId('self')!, rng);
const dead = makeIncarnation(parseNodeId('dead')!, rng);

/** A broker whose lists are given, round by round; the last one stays. A list takes its round to come. */
async function evictionWith(
  lists: readonly Partial<ConnectionList>[],
  ours: Partial<ConnectionList> = { connections: [{ server: 'n0', client: 1 }] },
): Promise<{ result: Eviction; tookMs: number; kicked: number[] }> {
  const clock = new ManualClock();
  const kicked: number[] = [];
  let round = 0;
  const system: BrokerSystem = {
    onDisconnect: () => () => undefined,
    kick: async ({ client }) => kicked.push(client) > 0,
    connectionsOf: async (prefix, timeoutMs) => {
      const theirs = prefix.includes(dead);
      const answer = theirs ? lists[Math.min(round++, lists.length - 1)] : ours;
      const list = { connections: [], isComplete: true, ...answer };
      if (!list.isComplete) await clock.sleep(timeoutMs);
      return list;
    },
    close: async () => undefined,
  };
  let result: Eviction | undefined;
  void evict(dead, { self, system, clock, logger: silentLogger }).then((outcome) => {
    result = outcome;
  });
  let tookMs = 0;
  for (; result === undefined && tookMs < 5_000; tookMs += 10) await clock.advanceAndSettle(10);
  return { result: result!, tookMs, kicked };
}

const partial = { isComplete: false };

describe('an eviction', () => {
  it('is sure when all servers list nothing of the dead one', async () => {
    expect(await evictionWith([{ connections: [{ server: 'n1', client: 7 }] }, {}])).toMatchObject({
      result: 'cut-off',
      kicked: [7],
    });
  });

  it('is unsure while a server is silent, and does not wait for it for long', async () => {
    const { result, tookMs } = await evictionWith([
      { ...partial, connections: [{ server: 'n1', client: 7 }] },
      partial,
    ]);
    expect(result).toBe('unsure');
    expect(tookMs).toBeLessThanOrEqual((limits.evictionSilentRoundsMax + 2) * limits.evictionRoundMs);
  });

  it('is sure when the slow server answers in a later round, and closes what stood there', async () => {
    expect(await evictionWith([partial, { connections: [{ server: 'n2', client: 9 }] }, {}])).toMatchObject({
      result: 'cut-off',
      kicked: [9],
    });
  });

  it('is unsure when our own connections are not listed: those are the lists of somebody else', async () => {
    const { result, tookMs } = await evictionWith([{}], { connections: [] });
    expect(result).toBe('unsure');
    expect(tookMs).toBeLessThanOrEqual(limits.evictionMs + 100);
  });

  it('ends although the dead one comes back after every kick', async () => {
    const { result, tookMs } = await evictionWith([{ connections: [{ server: 'n1', client: 7 }] }]);
    expect(result).toBe('unsure');
    expect(tookMs).toBeLessThanOrEqual(limits.evictionMs + 2 * limits.evictionRoundMs);
  });
});
