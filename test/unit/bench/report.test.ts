/** What the harness prints: figures put together from repeats, goals, and FAILED where messages were lost. */
import { describe, expect, it } from 'vitest';
import { figuresOf, spreadOf } from '../../../bench/report/figures.ts';
import { encodeResult, resultOf, type Result } from '../../../bench/report/result.ts';
import { totalCpu } from '../../../bench/process-meter.ts';
import { textReport } from '../../../bench/report/text-report.ts';
import type { RunResult } from '../../../bench/scenario.ts';
import { formatNumber } from '../../../bench/table.ts';

const machine = { cores: 2, memoryGib: 23, platform: 'linux x64', node: '20.0.0' };

describe('the report', () => {
  it('shows the median with the lowest and the highest of several runs, and whether the goal is met', () => {
    const text = textReport(reportOf([run(3), run(9), run(5)]));
    expect(text).toContain('3 runs of 5 s');
    expect(text).toMatch(/^ratio +a : b +5 +3 +9 +x +>= 4: met$/m);
  });

  it('says that a goal is missed', () => {
    expect(textReport(reportOf([run(3)]))).toMatch(/^ratio +a : b +3 +x +>= 4: missed$/m);
  });

  it('prints each failure and note once', () => {
    const failed = { ...run(5), failures: ['2 messages lost'], notes: ['client-bound'] };
    const text = textReport(reportOf([failed, failed]));
    expect(text.match(/FAILED: 2 messages lost/g)).toHaveLength(1);
    expect(text.match(/note: client-bound/g)).toHaveLength(1);
  });

  it('says in JSON what it says in text', () => {
    const failed = { ...run(5), failures: ['2 messages lost'] };
    const json = JSON.parse(encodeResult(reportOf([failed, run(7)]))) as Record<string, unknown>;
    expect(json).toMatchObject({ failed: true, scenario: 'sample', failures: ['2 messages lost'] });
    expect(json).toMatchObject({ figures: [{ values: [5, 7], median: 6, met: true }] });
  });

  it('fails when a server ended during a stretch, and says that the load was the limit', () => {
    const stretch = {
      ...quietStretch,
      failures: ['a worker process (7) ended'],
      clients: [{ cores: 0.9, lagP99Ms: 0 }],
    };
    const result = reportOf([{ ...run(5), stretches: [stretch] }]);
    expect(result).toMatchObject({ failed: true, failures: ['belfry: a worker process (7) ended'] });
    expect(result.notes).toEqual([expect.stringMatching(/^belfry: client-bound: a load process used 0.9/)]);
  });
});

describe('what the servers used', () => {
  const use = (role: string, cpuSeconds: number, mib: number) => ({ role, cpuSeconds, residentBytes: mib * 1_048_576 });
  const processes = [use('worker', 1, 100), use('worker', 1.5, 120), use('nats', 0.5, 40)];
  const result = reportOf([{ ...run(5), stretches: [{ ...quietStretch, processes }] }]);

  it('is shown by role wherever processes are known, without a scenario asking for it', () => {
    expect(textReport(result)).toMatch(/^whose +worker +nats$\n.*\n^belfry +0\.500, 220 \(2\) +0\.100, 40$/m);
    expect(textReport(reportOf([run(5)]))).not.toContain('by role');
  });

  it('is kept as figures, to be compared', () => {
    expect(result.roles.map(({ name, median }) => [name, median])).toEqual([
      ['CPU of worker', 0.5],
      ['memory of worker', 220],
      ['CPU of nats', 0.1],
      ['memory of nats', 40],
    ]);
  });

  it('fills the machine when servers and load take nearly all of it', () => {
    const stretches = [{ ...quietStretch, ownCores: 1.95 }];
    expect(reportOf([{ ...run(5), stretches }]).notes).toEqual([expect.stringMatching(/^belfry: machine full/)]);
  });
});

describe('figuresOf', () => {
  it('keeps measurements of the same name but of another subject apart', () => {
    const measurements = ['belfry', 'uws'].map((subject) => ({ subject, name: 'deliveries', unit: '/s', value: 1 }));
    expect(figuresOf([{ measurements }])).toHaveLength(2);
  });

  it('leaves out what is not known: the CPU of servers elsewhere, and what is divided by it', () => {
    const measurements = [NaN, Infinity, 1].map((value) => ({
      subject: 'belfry',
      name: String(value),
      unit: '',
      value,
    }));
    expect(figuresOf([{ measurements }]).map(({ name }) => name)).toEqual(['1']);
    expect(totalCpu(new Map())).toBeNaN();
  });

  it('takes the middle of an even number of runs between the two in the middle', () => {
    expect(spreadOf([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 });
  });
});

describe('formatNumber', () => {
  it.each([
    [0.81234, '0.812'],
    [12.345, '12.35'],
    [123.456, '123.5'],
    [41_250.4, '41,250'],
    [1_234_567, '1,234,567'],
    [5, '5'],
    [Number.NaN, '-'],
  ])('shows %d as %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
});

const quietStretch = {
  ...{ subject: 'belfry', seconds: 5, latencies: [], rate: null, processes: [], hops: [], queues: [], clients: [] },
  ...{ othersCores: 0, ownCores: 0, failures: [] },
};

function run(value: number): RunResult {
  const measurement = { subject: 'ratio', name: 'a : b', unit: 'x', value, goal: { atLeast: 4 } };
  return { measurements: [measurement], failures: [], notes: [], stretches: [] };
}

function reportOf(runs: readonly RunResult[]): Result {
  return resultOf({
    scenario: 'sample',
    at: '2026-01-01T00:00:00.000Z',
    options: { seconds: 5 },
    machine,
    notes: [],
    runs,
  });
}
