import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMetrics, hops } from '../../../platform/metrics.ts';

const name = { role: 'worker', id: 'w1', processMetrics: false };

describe('metrics', () => {
  it('expose a histogram per hop, cumulative as Prometheus wants it', async () => {
    const metrics = createMetrics(name);
    for (const durationMs of [0.05, 0.3, 3, 60_000]) metrics.hops.append.observe(durationMs);
    const { body, contentType } = await metrics.expose();
    expect(contentType).toContain('text/plain');
    expect(body).toContain('# TYPE belfry_hop_duration_seconds histogram');
    expect(sample(body, 'belfry_hop_duration_seconds_bucket', 'hop="append"', 'le="0.0001"')).toBe(1);
    expect(sample(body, 'belfry_hop_duration_seconds_bucket', 'hop="append"', 'le="0.005"')).toBe(3);
    expect(sample(body, 'belfry_hop_duration_seconds_bucket', 'hop="append"', 'le="+Inf"')).toBe(4);
    expect(sample(body, 'belfry_hop_duration_seconds_count', 'hop="append"')).toBe(4);
    expect(sample(body, 'belfry_hop_duration_seconds_count', 'hop="socket"')).toBe(0);
    expect(body).toContain('role="worker"');
  });

  it('expose a histogram per queue, in which what did not wait has a bucket of its own', async () => {
    const metrics = createMetrics(name);
    for (const waitMs of [0, 0, 0.05, 0.9, 3.1, 2_000]) metrics.queues.commit.observe(waitMs);
    const { body } = await metrics.expose();
    const upTo = (le: string) => sample(body, 'belfry_queue_wait_seconds_bucket', 'queue="commit"', `le="${le}"`);
    expect(['0', '0.0001', '0.001', '0.003', '0.004', '+Inf'].map(upTo)).toEqual([2, 3, 4, 4, 5, 6]);
    expect(sample(body, 'belfry_queue_wait_seconds_count', 'queue="rest"')).toBe(0);
  });

  it('count every observation in exactly one bucket, whatever its value', async () => {
    const values = fc.array(fc.double({ min: -10, max: 1e6 }), { maxLength: 50 });
    await fc.assert(
      fc.asyncProperty(values, fc.constantFrom(...hops), async (durationsMs, hop) => {
        const metrics = createMetrics(name);
        for (const durationMs of durationsMs) metrics.hops[hop].observe(durationMs);
        const { body } = await metrics.expose();
        expect(sample(body, 'belfry_hop_duration_seconds_count', `hop="${hop}"`)).toBe(durationsMs.length);
        const sum = durationsMs.reduce((total, value) => total + (value > 0 ? value / 1_000 : 0), 0);
        expect(sample(body, 'belfry_hop_duration_seconds_sum', `hop="${hop}"`)).toBeCloseTo(sum, 3);
      }),
      { numRuns: 30 },
    );
  });

  it('read sizes and counts that somebody else keeps', async () => {
    const metrics = createMetrics(name);
    let posts = 0;
    metrics.gaugeOf('belfry_sessions', 'Open sessions.', () => 12);
    metrics.counterOf('belfry_posts_total', 'Posts.', () => posts);
    metrics.counter('belfry_errors_total', 'Errors.', ['kind']).inc({ kind: 'busy' });
    metrics.gauge('belfry_slots', 'Slots.').set(3);
    posts = 5;
    await metrics.expose();
    const { body } = await metrics.expose();
    expect(['belfry_sessions', 'belfry_posts_total', 'belfry_slots'].map((metric) => sample(body, metric))).toEqual([
      12, 5, 3,
    ]);
    expect(sample(body, 'belfry_errors_total', 'kind="busy"')).toBe(1);
  });

  it('include those of the process unless told otherwise', async () => {
    const { body } = await createMetrics({ role: 'worker', id: 'w2' }).expose();
    expect(body).toContain('process_cpu_seconds_total');
  });
});

function sample(body: string, metric: string, ...labels: string[]): number | undefined {
  const line = body
    .split('\n')
    .find((text) => text.startsWith(`${metric}{`) && labels.every((label) => text.includes(label)));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}
