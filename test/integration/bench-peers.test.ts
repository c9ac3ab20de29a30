/**
 * The peers of `belfry bench fanout`, each deployed for real from dist/ with a few sockets: their clients get every message
 * once and in order, and nothing of them stays. Peers that need a redis-server are tried where there is one.
 */
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Peer } from '../../bench/peer.ts';
import { processTree } from '../../bench/process-stat.ts';
import type { RunContext } from '../../bench/scenario.ts';
import { projectRoot } from '../../platform/project-root.ts';
import { systemClock } from '../../platform/clock.ts';
import { SeededRng } from '../../platform/rng.ts';

/** Load processes run built files. */
const { peers } = (await import(join(projectRoot(), 'dist/bench/peers/peers.js'))) as { peers: readonly Peer[] };

const sockets = 3;
const frame = JSON.stringify({ type: 'message', channel: 'C1', user: 'U1', text: '', ts: '1.000001', seq: 1 });
const work = {
  sockets,
  rate: 50,
  saturate: false,
  bytes: 80,
  windowMs: 2,
  loadProcs: 1,
  channel: 'C1',
  frame,
  natsServer: undefined,
};

describe('the peers of fanout', () => {
  afterAll(() => expect(processTree(process.pid), 'what a closed peer left running').toEqual([process.pid]));

  it('run here as far as they need nothing but what the set-up brings', () => {
    expect(peers.filter(canRun).map(({ name }) => name)).toEqual(expect.arrayContaining(['nats', 'uws']));
  });

  it.concurrent.each(peers.filter(canRun))(
    '$name delivers every message once and in order to every socket',
    async (peer) => {
      const side = await peer.open(runContext(), work);
      const { result, failures } = await side.run(0.2);
      await side.close();
      expect([...failures, ...result.failures]).toEqual([]);
      expect(result.reports.map(({ deliveries, ids }) => [deliveries, ids.length])).toEqual([[sockets * 10, 10]]);
    },
  );
});

function canRun(peer: Peer): boolean {
  try {
    peer.check?.(work);
    return true;
  } catch {
    return false;
  }
}

function runContext(): RunContext {
  const progress = { show: () => undefined, clear: () => undefined };
  const { signal } = new AbortController();
  const own = { profileFolder: undefined, target: undefined, machines: undefined, sourceAddresses: 1 };
  return { ...own, clock: systemClock, rng: new SeededRng(1), progress, signal, seconds: 1 };
}
