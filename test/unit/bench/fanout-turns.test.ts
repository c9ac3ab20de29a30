/** In which order the sides of the fan-out are measured. */
import { describe, expect, it } from 'vitest';
import { takeTurns, type TurnSide } from '../../../bench/fanout-turns.ts';
import { LatencyHistogram } from '../../../bench/histogram.ts';
import { systemClock } from '../../../platform/clock.ts';

describe('takeTurns', () => {
  it('measures the sides one after another, in either order, and gives the turns back in theirs', async () => {
    const order: string[] = [];
    const sides = ['belfry', 'nats', 'uws'].map((subject) => sideOf(subject, order));
    for (const backwards of [false, true]) {
      const turns = await takeTurns(systemClock, sides, 1, backwards);
      expect(turns.map(({ stretch }) => stretch.subject)).toEqual(['belfry', 'nats', 'uws']);
    }
    expect(order).toEqual(['belfry', 'nats', 'uws', 'uws', 'nats', 'belfry']);
  });

  it('counts what the servers of the others use meanwhile, and knows nothing where none of them is here', async () => {
    const busy = sideOf('busy', [], [{ role: 'x', pid: process.pid }]);
    const [first, second] = await takeTurns(systemClock, [sideOf('belfry', []), busy], 1, false);
    expect(first?.idleCores).toBeGreaterThanOrEqual(0);
    expect(second?.idleCores).toBeNaN();
  });
});

function sideOf(subject: string, order: string[], processes: ReturnType<TurnSide['processes']> = []): TurnSide {
  const latency = new LatencyHistogram().encode();
  const report = { deliveries: 0, reads: 0, latency, ids: [], failures: [] };
  const result = { rate: 1, reports: [report], failures: [] };
  const rest = {
    processes: [],
    hops: [],
    queues: [],
    clients: [],
    rate: undefined,
    othersCores: 0,
    ownCores: 0,
    details: [],
    failures: [],
  };
  return {
    processes: () => processes,
    run: async () => {
      order.push(subject);
      return { subject, result, cpu: new Map(), seconds: 1, ...rest };
    },
  };
}
