/** How the fan-out of Belfry is compared with that of a peer. */
import { describe, expect, it } from 'vitest';
import type { Delivered } from '../../../bench/fanout-checks.ts';
import { measure, ratios } from '../../../bench/fanout-figures.ts';
import { LatencyHistogram } from '../../../bench/histogram.ts';
import { figuresOf } from '../../../bench/report/figures.ts';
import type { Stretch } from '../../../bench/stretch.ts';

const saturated = { rate: 1_000, sockets: 1_000, saturate: true };
const light = { rate: 50, sockets: 1_000, saturate: false };
const belfry = stretch('belfry', 9_000, { webapp: 1, worker: 1, nats: 1, gateway: 1 });

describe('ratios', () => {
  it('compare the path with the path and all servers with all servers', () => {
    const peer = stretch('socket.io-redis', 1_000, { http: 1, redis: 0.5, sockets: 1.5 });
    const [path, all] = ratios(belfry, peer, saturated);
    expect(path?.value).toBeCloseTo(3_000 / 500);
    expect(all?.value).toBeCloseTo(9_000 / 4 / (1_000 / 3));
  });

  it('set the goal for socket.io-redis on all servers, for nats and uws on the path', () => {
    const goalsOf = (subject: string) =>
      ratios(belfry, stretch(subject, 1, { x: 1 }), saturated).flatMap(({ name, goal }) => (goal ? [name] : []));
    expect(goalsOf('socket.io-redis')).toEqual(['belfry : socket.io-redis, all servers']);
    expect(goalsOf('nats')).toEqual(['belfry : nats, fan-out path']);
    expect(goalsOf('uws')).toEqual(['belfry : uws, fan-out path']);
    expect(goalsOf('ws-redis')).toEqual([]);
  });

  it('have other goals at light load, and none in between', () => {
    const goal = (load: typeof light) => ratios(belfry, stretch('uws', 1, { uws: 1 }), load)[0]?.goal;
    expect(goal(saturated)).toEqual({ atLeast: 0.85 });
    expect(goal(light)).toEqual({ atLeast: 0.9 });
    expect(goal({ ...light, rate: 500 })).toBeUndefined();
  });

  it('are judged as saturated from a million deliveries a second on, without a search too', () => {
    const full = { rate: 1_000, sockets: 1_000, saturate: false };
    const [path] = ratios(belfry, stretch('uws', 1, { uws: 1 }), full);
    expect(path?.goal).toEqual({ atLeast: 0.85 });
    expect(measure(belfry, full).find(({ name }) => name === 'latency p99')?.goal).toEqual({ atMost: 50 });
  });

  it('meet nothing where most runs bought them with latency', () => {
    const verdict = (...p99s: number[]) => {
      const runs = p99s.map((p99) => ratios(stretch('belfry', 9_000, { worker: 1 }, p99), peer, saturated));
      return figuresOf(runs.map((measurements) => ({ measurements }))).find(({ goal }) => goal)?.met;
    };
    const peer = stretch('uws', 1_000, { uws: 1 });
    expect([verdict(40), verdict(60), verdict(40, 60, 40), verdict(60, 40, 60)]).toEqual([true, false, true, false]);
  });
});

describe('measure', () => {
  it('states the rate that a side was measured at', () => {
    const offered = measure(belfry, saturated).find(({ name }) => name === 'messages offered');
    expect(offered).toMatchObject({ subject: 'belfry', value: 64, unit: '/s' });
  });

  it('bounds the p99 of a saturated run, and both percentiles up to 100,000 deliveries a second', () => {
    const bounds = (load: typeof light) =>
      measure(belfry, load).flatMap(({ name, goal }) => (goal && 'atMost' in goal ? [[name, goal.atMost]] : []));
    expect(bounds(saturated)).toEqual([['latency p99', 50]]);
    expect(bounds({ ...light, rate: 100 })).toEqual([
      ['latency p50', 5],
      ['latency p99', 25],
    ]);
    expect(bounds({ ...light, rate: 101 })).toEqual([]);
  });
});

describe('waits in queues', () => {
  const waits = { role: 'worker', queue: 'commit', count: 1, meanMs: 1, p50Ms: 0, p99Ms: 4 };
  const p99s = (load: typeof light) =>
    measure({ ...belfry, queues: [waits] }, load).find(({ name }) => name.endsWith('sum of p99s'));

  it('have a goal at light load, and under load are only shown', () => {
    expect(p99s(light)).toMatchObject({ value: 4, goal: { atMost: 1 } });
    expect(p99s(saturated)).toMatchObject({ value: 4 });
    expect(p99s(saturated)?.goal).toBeUndefined();
  });
});

function stretch(subject: string, deliveries: number, cpu: Record<string, number>, latencyMs = 10): Stretch<Delivered> {
  const latency = new LatencyHistogram();
  latency.record(latencyMs * 1_000);
  const report = { deliveries, reads: deliveries, latency: latency.encode(), ids: [], failures: [] };
  const result = { rate: 64, reports: [report], failures: [] };
  const known = { processes: [], hops: [], queues: [], clients: [], rate: undefined, details: [], failures: [] };
  const rest = { ...known, othersCores: 0, ownCores: 0 };
  return { subject, result, cpu: new Map(Object.entries(cpu)), seconds: 1, ...rest };
}
