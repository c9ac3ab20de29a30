import { expect, it } from 'vitest';
import { curvesDetail, curvesOf, curveStretches, timesDetail } from '../../../bench/fault-curves.ts';
import type { FaultRecord } from '../../../bench/failover-faults.ts';
import { LatencyHistogram } from '../../../bench/histogram.ts';
import { pageDataOf } from '../../../bench/report/page-data.ts';
import { resultOf } from '../../../bench/report/result.ts';

const machine = { cores: 2, memoryGib: 23, platform: 'linux x64', node: '20.0.0' };
const killed = (atMs: number, waitsMs: number[]): FaultRecord => ({
  kind: 'worker killed',
  atMs,
  waitsMs,
  slowestMs: waitsMs,
  refusals: 0,
  failures: [],
});
/** Every 10 ms, but for half a second after each of the faults at 2 s and 12 s. */
const acksMs = Array.from({ length: 2_000 }, (_, i) => i * 10 + 5).filter(
  (ms) => ms % 10_000 < 2_000 || ms % 10_000 >= 2_500,
);
const curves = curvesOf([killed(2_000, [100, 300]), killed(12_000, [500])], acksMs);

it('lays the times of a fault over each other, with the fault at zero', () => {
  expect(curves.map(({ kind, waits }) => [kind, waits.count])).toEqual([['worker killed', 3]]);
  const rates = curves[0]!.points;
  expect(rates[0]).toEqual({ atSeconds: -1, perSecond: 100 });
  expect(rates.filter(({ perSecond }) => perSecond === 0).map(({ atSeconds }) => atSeconds)).toEqual([
    0, 0.1, 0.2, 0.3, 0.4,
  ]);
  expect(rates.at(-1)).toEqual({ atSeconds: 3.9, perSecond: 100 });
});

it('tells the slowest post of each time, so that one in many can be told from all', () => {
  expect(timesDetail([killed(0, [100, 300]), killed(9_000, [500])]).rows).toEqual([['worker killed', '300 500']]);
});

it('shows the gap as bars, and as a curve of the page from before the fault on', () => {
  expect(curvesDetail(curves).rows).toEqual([
    ['worker killed', '100', `${'█'.repeat(10)}|${' '.repeat(5)}${'█'.repeat(35)}|`],
  ]);
  const runs = [{ measurements: [], failures: [], notes: [], stretches: curveStretches(curves) }];
  const result = resultOf({ scenario: 'failover', at: '', options: {}, machine, notes: [], runs });
  expect(result).toMatchObject({ failed: false, notes: [] });
  const [waits, rates] = pageDataOf(result).charts;
  expect(waits?.series.map(({ label }) => label)).toEqual(['worker killed']);
  expect([rates?.x.slice(0, 2), rates?.x.at(-1)]).toEqual([[-1, -0.9], 3.9]);
  expect(rates?.series[0]?.values.slice(9, 16)).toEqual([100, 0, 0, 0, 0, 0, 100]);
  expect(
    LatencyHistogram.decode(result.runs[0]!.stretches[0]!.latencies[0]!.histogram).percentiles().maxMs,
  ).toBeCloseTo(500, 0);
});
