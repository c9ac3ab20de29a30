/** The page of a result: it stands alone, shows everything that was measured, and its script can draw it. */
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../../bench/histogram.ts';
import { htmlReport } from '../../../bench/report/html-report.ts';
import { pageDataOf } from '../../../bench/report/page-data.ts';
import { resultOf, type Result } from '../../../bench/report/result.ts';
import type { RunResult } from '../../../bench/scenario.ts';
import type { StretchRecord } from '../../../bench/stretch-record.ts';

const machine = { cores: 2, memoryGib: 23, platform: 'linux x64', node: '20.0.0' };

describe('the charts', () => {
  const { subjects, charts } = pageDataOf(sampleResult());
  const [latency, rate] = charts;

  it('are the latency of each subject over all runs, and the rate of each in every run', () => {
    expect(subjects).toEqual(['belfry', 'peer']);
    expect(charts.map(({ title }) => title)).toEqual(['due to delivered', 'deliveries a second']);
    expect(latency?.series.map(({ label }) => label)).toEqual(['belfry', 'peer']);
    expect(rate?.series.map(({ label }) => label)).toEqual([
      'belfry, run 1',
      'belfry, run 2',
      'peer, run 1',
      'peer, run 2',
    ]);
  });

  it('show each percentile where its nines stand, and none that so few values cannot have', () => {
    const belfry = latency?.series[0]?.values ?? [];
    const at = (nines: number) => belfry[latency?.x.indexOf(nines) ?? -1];
    // 2,000 values: 1 to 1,000 ms in each of two runs.
    expect(at(1)).toBeCloseTo(900, -1);
    expect(at(2)).toBeCloseTo(990, -1);
    expect(at(4)).toBeNull();
  });

  it('show rates at their times', () => {
    expect(rate?.x).toEqual([0, 0.5, 1]);
    expect(rate?.series[0]?.values).toEqual([null, 100, 200]);
  });
});

describe('the page', () => {
  let page: string;
  beforeAll(() => {
    page = htmlReport(sampleResult());
  });

  it('fetches nothing', () => {
    expect(page).not.toMatch(/\b(?:src|href)\s*=/i);
    expect(page).not.toMatch(/@import|url\(\s*['"]?(?!data:)/i);
  });

  it('shows figures with their goals, peers side by side, CPU and memory by role, notes and options', () => {
    expect(page).toContain('<strong>5 x</strong>');
    expect(page).toContain('&gt;= 4: met');
    expect(page).toMatch(/<th>unit<\/th><th class="number">belfry<\/th><th class="number">peer<\/th>/);
    expect(page).toContain(
      '<span class="key c0"></span>worker</td><td class="number">1</td><td class="number">0.500</td>',
    );
    expect(page).toContain('queue commit (worker), p99');
    expect(page).toContain('a note of the run');
    expect(page).toContain('<td>sockets</td><td>100</td>');
  });

  it('says FAILED where that is so, and that all was checked where it is not', () => {
    expect(page).toContain('nothing lost, doubled or out of order');
    const failed = htmlReport(sampleResult({ failures: ['2 messages lost'] }));
    expect(failed).toContain('FAILED: these figures do not count');
    expect(failed).toContain('2 messages lost');
    expect(failed).not.toContain('nothing lost');
  });

  it('shows hostile texts as texts', () => {
    const hostile = htmlReport(sampleResult({ notes: ['</script><script>alert(1)</script>'] }, '</script><b>'));
    expect(hostile).not.toContain('<script>alert');
    expect(hostile).not.toContain('</script><b>');
    expect(hostile).toContain('&lt;/script&gt;&lt;script&gt;alert(1)');
  });

  it('draws every chart with every series when its script runs', () => {
    const drawn = drawnBy(page);
    const { charts } = pageDataOf(sampleResult());
    expect(drawn).toHaveLength(charts.length);
    for (const [at, { series }] of charts.entries()) {
      expect(drawn[at]?.box).toBe(`chart-${at}`);
      expect(drawn[at]?.labels.slice(1)).toEqual(series.map(({ label }) => label));
      expect(drawn[at]?.data.slice(1)).toEqual(series.map(({ values }) => values));
    }
  });
});

type Drawn = { readonly box: string; readonly labels: readonly string[]; readonly data: readonly unknown[] };

/** Runs the page's own script (its last) on a document that has just what the script asks for. */
function drawnBy(page: string): Drawn[] {
  const drawn: Drawn[] = [];
  const data = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)?.[1] ?? '';
  const script = page.slice(page.lastIndexOf('<script>') + '<script>'.length, page.lastIndexOf('</script>'));
  const element = (id: string) => ({ id, textContent: id === 'data' ? data : '', clientWidth: 800 });
  class UPlot {
    constructor(options: { series: { label: string }[] }, series: readonly unknown[], box: { id: string }) {
      drawn.push({ box: box.id, labels: options.series.map(({ label }) => label), data: series });
    }
  }
  class ResizeObserver {
    observe(): void {
      // Nothing changes its size here.
    }
  }
  runInNewContext(script, {
    uPlot: UPlot,
    ResizeObserver,
    document: { getElementById: element, documentElement: {}, body: {} },
    getComputedStyle: () => ({ getPropertyValue: () => ' #000' }),
    matchMedia: () => ({ addEventListener: () => undefined }),
  });
  return JSON.parse(JSON.stringify(drawn)) as Drawn[];
}

function sampleResult(more: Partial<RunResult> = {}, subject = 'belfry'): Result {
  const run: RunResult = {
    measurements: [
      ...[subject, 'peer'].map((whose) => ({ subject: whose, name: 'deliveries', unit: '/s', value: 150 })),
      { subject: 'ratio', name: 'a : b', unit: 'x', value: 5, goal: { atLeast: 4 } },
    ],
    failures: [],
    notes: ['a note of the run'],
    stretches: [stretchOf(subject), stretchOf('peer')],
    ...more,
  };
  const options = { seconds: 1, sockets: 100 };
  return resultOf({
    scenario: 'sample',
    at: '2026-01-01T00:00:00.000Z',
    options,
    machine,
    notes: [],
    runs: [run, run],
  });
}

function stretchOf(subject: string): StretchRecord {
  const latency = new LatencyHistogram();
  for (let ms = 1; ms <= 1_000; ms += 1) latency.record(ms * 1_000);
  const points = [
    { atSeconds: 0.5, perSecond: 100 },
    { atSeconds: 1.02, perSecond: 200 },
  ];
  return {
    ...{
      subject,
      seconds: 1,
      clients: [],
      hops: [{ hop: 'append', count: 9, p50Ms: 1, p99Ms: 7 }],
      queues: [{ role: 'worker', queue: 'commit', count: 9, meanMs: 1, p50Ms: 0, p99Ms: 4.5 }],
      othersCores: 0,
      ownCores: 1,
      failures: [],
    },
    latencies: [{ name: 'due to delivered', histogram: latency.encode() }],
    rate: { noun: 'deliveries', points },
    processes: [{ role: 'worker', cpuSeconds: 0.5, residentBytes: 50e6 }],
  };
}
