/** What the harness says of the waits in our own queues, and of the windows that the limits allow. */
import { describe, expect, it } from 'vitest';
import { insideBetween } from '../../../bench/hop-meter.ts';
import { lightWaitGoal, queueFigures, queueSums, type QueueWait } from '../../../bench/queue-waits.ts';
import { windowNote } from '../../../bench/window-note.ts';
import { limits } from '../../../platform/limits.ts';
import { createMetrics } from '../../../platform/metrics.ts';

const wait = (role: string, queue: string, p99Ms: number): QueueWait => ({
  ...{ role, queue, count: 10, meanMs: p99Ms / 4, p50Ms: p99Ms / 2, p99Ms },
});

describe('waits in queues', () => {
  it('are read by role and queue from what the roles expose, with what was counted before left out', async () => {
    const metrics = createMetrics({ role: 'worker', id: 'w1', processMetrics: false });
    metrics.queues.commit.observe(100);
    const before = (await metrics.expose()).body;
    for (let turn = 0; turn < 90; turn += 1) metrics.queues.commit.observe(0);
    for (let turn = 0; turn < 10; turn += 1) metrics.queues.commit.observe(4);
    const [commit, ...rest] = insideBetween(before, (await metrics.expose()).body).queues;
    expect(rest).toEqual([]);
    expect(commit).toMatchObject({ role: 'worker', queue: 'commit', count: 100, p50Ms: 0 });
    expect(commit?.meanMs).toBeCloseTo(0.4);
    // Nine tenths of the way through the bucket from 3 to 4 ms.
    expect(commit?.p99Ms).toBeCloseTo(3.9);
  });

  it('are those that a message passes, in the order of its journey, and their sum', () => {
    const queues = [wait('gateway', 'rest', 8), wait('gateway', 'send', 100), wait('webapp', 'send', 4)];
    expect(queueFigures('belfry', queues).map(({ name, value }) => [name, value])).toEqual([
      ['queue send (webapp), p50', 2],
      ['queue send (webapp), p99', 4],
      ['queue rest (gateway), p50', 4],
      ['queue rest (gateway), p99', 8],
    ]);
    expect(queueSums('belfry', queues, lightWaitGoal)).toEqual([
      { subject: 'belfry', name: 'waits in our queues, sum of means', unit: 'ms', value: 3 },
      { subject: 'belfry', name: 'waits in our queues, sum of p99s', unit: 'ms', value: 12, goal: { atMost: 1 } },
    ]);
  });

  it('have no sum where the servers cannot be asked', () => {
    expect(queueSums('uws', [])).toEqual([]);
  });
});

describe('the note about windows', () => {
  it('names each window that a scenario has in its way, as the limits set it', () => {
    const { sendSpacingMs, commitWindowWideMs, batchWindowMs, batchRestMsMax } = limits;
    const spacing = `${sendSpacingMs} ms before each write to a connection of the broker`;
    expect(windowNote('appends')).toMatch(new RegExp(`at most ${spacing}$`));
    expect(windowNote('posts')).toMatch(new RegExp(`${spacing}, ${commitWindowWideMs} ms before a channel's append$`));
    expect(windowNote('batches')).toMatch(new RegExp(`, ${batchWindowMs} ms before a worker's batches to gateways$`));
    expect(windowNote('deliveries')).toContain(`, ${batchRestMsMax} ms at a gateway`);
  });
});
