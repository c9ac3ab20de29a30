/** The in-memory broker as a simulation uses it: time by hand, faults on demand, the same run twice. */
import { describe, expect, it } from 'vitest';
import type { BrokerMessage } from '../../../broker/broker.ts';
import { MemoryBrokerHub, type MemoryHubOptions } from '../../../broker/memory-broker.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { SeededRng } from '../../../platform/rng.ts';

const LOG = 'belfry.log.0.7.C1';
const bytes = (text: string): Uint8Array => Buffer.from(text);

async function hubOn(clock: ManualClock, options: Omit<MemoryHubOptions, 'clock'> = {}) {
  const hub = new MemoryBrokerHub({ clock, ...options });
  hub.streams.add('BELFRY_LOG_0', 'belfry.log.0.>');
  return hub;
}

const listen = (into: string[]) => (message: BrokerMessage) => void into.push(Buffer.from(message.data).toString());

describe('the broker in memory', () => {
  it('delivers when the clock says so, in order even where a later message is faster', async () => {
    const clock = new ManualClock();
    const latency = [30, 5, 5];
    const hub = await hubOn(clock, {
      latencyMs: ({ kind, direction }) =>
        kind === 'message' && direction === 'to-server' ? (latency.shift() ?? 0) : 0,
    });
    const [a, b] = [hub.connect('a-1'), hub.connect('b-1')];
    const seen: string[] = [];
    b.commands.subscribe('s', listen(seen));
    await clock.advanceAndSettle(0);
    for (const body of ['1', '2', '3']) a.commands.publish('s', bytes(body));
    await clock.advanceAndSettle(29);
    expect(seen).toEqual([]);
    await clock.advanceAndSettle(1);
    expect(seen).toEqual(['1', '2', '3']);
  });

  it('drops, duplicates and delays what a simulation names', async () => {
    const clock = new ManualClock();
    const hub = await hubOn(clock, {
      fate: ({ subject, direction }) => {
        if (direction === 'to-client') return 'pass';
        if (subject === 'lost') return 'drop';
        if (subject === 'twice') return 'duplicate';
        return subject === 'late' ? { delayMs: 100 } : 'pass';
      },
    });
    const [a, b] = [hub.connect('a-1'), hub.connect('b-1')];
    const seen: string[] = [];
    b.commands.subscribe('*', listen(seen));
    await clock.advanceAndSettle(0);
    for (const subject of ['lost', 'twice', 'late']) a.commands.publish(subject, bytes(subject));
    await clock.advanceAndSettle(50);
    expect(seen).toEqual(['twice', 'twice']);
    await clock.advanceAndSettle(50);
    expect(seen).toEqual(['twice', 'twice', 'late']);
  });

  it('stores a record whose acknowledgement is lost', async () => {
    const clock = new ManualClock();
    const hub = await hubOn(clock, {
      fate: ({ kind, direction }) => (kind === 'append' && direction === 'to-client' ? 'drop' : 'pass'),
    });
    const { records } = hub.connect('a-1');
    const attempt = records.append(LOG, bytes('x'), 0, 500);
    await clock.advanceAndSettle(500);
    expect(await attempt).toEqual({ kind: 'unknown', reason: 'timeout' });
    expect(hub.streams.last('BELFRY_LOG_0', LOG).kind).toBe('found');
  });

  it('stores a late append after its sender gave up on it, unless another came first', async () => {
    const clock = new ManualClock();
    const hub = await hubOn(clock, {
      fate: ({ incarnation }) => (incarnation === 'slow-1' ? { delayMs: 1_000 } : 'pass'),
    });
    const late = hub.connect('slow-1').records.append(LOG, bytes('late'), 0, 500);
    await clock.advanceAndSettle(500);
    expect((await late).kind).toBe('unknown');
    expect(hub.streams.last('BELFRY_LOG_0', LOG).kind).toBe('absent');
    await clock.advanceAndSettle(500);
    expect(hub.streams.last('BELFRY_LOG_0', LOG).kind).toBe('found');
    expect(await hub.connect('fast-1').records.append(LOG, bytes('mine'), 0, 500)).toEqual({ kind: 'conflict' });
  });

  it('lets nothing of a held client arrive once it was kicked', async () => {
    const clock = new ManualClock();
    const hub = await hubOn(clock);
    const frozen = hub.connect('frozen-1');
    const system = hub.system();
    const gone: string[] = [];
    system.onDisconnect(({ clientName }) => void gone.push(clientName));
    hub.hold('frozen-1');
    const attempt = frozen.records.append(LOG, bytes('stale'), 0, 10_000);
    await clock.advanceAndSettle(100);
    const found = await system.connectionsOf('belfry.frozen-1.', 100);
    for (const connection of found.connections) await system.kick(connection, 100);
    await clock.advanceAndSettle(0);
    expect(gone).toHaveLength(4);
    expect(await system.connectionsOf('belfry.frozen-1.', 100)).toEqual({ connections: [], isComplete: true });
    expect(frozen.control.status()).toBe('connected');
    hub.release('frozen-1');
    await clock.advanceAndSettle(0);
    expect((await attempt).kind).toBe('unknown');
    expect(frozen.control.status()).toBe('disconnected');
    expect(hub.streams.last('BELFRY_LOG_0', LOG).kind).toBe('absent');
    await clock.advanceAndSettle(limits.natsReconnectWaitMs);
    expect(frozen.control.status()).toBe('connected');
  });

  it('keeps what a held client wrote for later when nobody kicked it', async () => {
    const clock = new ManualClock();
    const hub = await hubOn(clock);
    const paused = hub.connect('paused-1');
    hub.hold('paused-1');
    const attempt = paused.records.append(LOG, bytes('slow'), 0, 10_000);
    await clock.advanceAndSettle(3_000);
    hub.release('paused-1');
    expect((await attempt).kind).toBe('stored');
  });

  it('tells a crashed client nothing, and the system account of it at once', async () => {
    const clock = new ManualClock();
    const hub = await hubOn(clock);
    const victim = hub.connect('victim-1');
    const [seen, statuses, gone] = [[] as string[], [] as string[], [] as string[]];
    victim.commands.subscribe('s', listen(seen));
    victim.control.onStatus((status) => void statuses.push(status));
    hub.system().onDisconnect(({ clientName }) => void gone.push(clientName));
    await clock.advanceAndSettle(0);
    hub.crash('victim-1');
    hub.connect('other-1').commands.publish('s', bytes('too late'));
    await clock.advanceAndSettle(5_000);
    expect({ seen, statuses }).toEqual({ seen: [], statuses: [] });
    expect(gone).toHaveLength(4);
  });

  it('runs the same twice with the same seed', async () => {
    const run = async (seed: number): Promise<string[]> => {
      const clock = new ManualClock();
      const rng = new SeededRng(seed);
      const fates = ['pass', 'drop', 'duplicate', { delayMs: 7 }] as const;
      const hub = await hubOn(clock, { rng, latencyMs: () => rng.int(20), fate: () => fates[rng.int(4)] ?? 'pass' });
      const trace: string[] = [];
      const members = ['m1-1', 'm2-1'].map((name) => hub.connect(name));
      for (const [i, member] of members.entries()) {
        member.commands.subscribe(
          'work',
          (message) => void trace.push(`${clock.monotonicMs()} m${i} ${String(message.data)}`),
          { queue: 'q' },
        );
      }
      const sender = hub.connect('sender-1');
      for (let i = 0; i < 50; i += 1) {
        sender.commands.publish('work', bytes(String(i)));
        await clock.advanceAndSettle(rng.int(10));
      }
      await clock.advanceAndSettle(1_000);
      return trace;
    };
    const first = await run(7);
    expect(first.length).toBeGreaterThan(10);
    expect(await run(7)).toEqual(first);
    expect(await run(8)).not.toEqual(first);
  });
});
