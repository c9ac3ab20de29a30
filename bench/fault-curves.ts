/**
 * How acknowledgements went over time around each kind of fault, all of its times laid over each other with the fault at
 * zero: as bars for the terminal and as what the result keeps for the page.
 */
import type { FaultKind, FaultRecord } from './failover-faults.ts';
import { LatencyHistogram } from './histogram.ts';
import type { RatePoint } from './rate-meter.ts';
import type { Detail } from './scenario.ts';
import { sparkline } from './sparkline.ts';
import type { StretchRecord } from './stretch-record.ts';
import { formatNumber } from './table.ts';

/** What a curve shows, in milliseconds. */
export const curveSpan = { beforeMs: 1_000, afterMs: 4_000, stepMs: 100 } as const;

export type FaultCurve = {
  readonly kind: FaultKind;
  /** How long the affected channels waited. */
  readonly waits: LatencyHistogram;
  /** Acknowledgements a second, step by step: means over the times that it happened. */
  readonly points: readonly RatePoint[];
};

/** `acksMs`: when acknowledgements came, in milliseconds of the machine's clock. */
export function curvesOf(records: readonly FaultRecord[], acksMs: readonly number[]): FaultCurve[] {
  const kinds = [...new Set(records.map(({ kind }) => kind))];
  return kinds.map((kind) => {
    const own = records.filter((record) => record.kind === kind);
    const waits = new LatencyHistogram();
    for (const ms of own.flatMap(({ waitsMs }) => waitsMs)) waits.record(ms * 1_000);
    return { kind, waits, points: pointsOf(own, acksMs) };
  });
}

function pointsOf(records: readonly FaultRecord[], acksMs: readonly number[]): RatePoint[] {
  const { beforeMs, afterMs, stepMs } = curveSpan;
  const counts = Array.from({ length: (beforeMs + afterMs) / stepMs }, () => 0);
  for (const { atMs } of records) {
    for (const ackMs of acksMs) {
      const step = Math.floor((ackMs - atMs + beforeMs) / stepMs);
      if (counts[step] !== undefined) counts[step] += 1;
    }
  }
  return counts.map((count, step) => ({
    atSeconds: (step * stepMs - beforeMs) / 1_000,
    perSecond: (count * 1_000) / (stepMs * records.length),
  }));
}

/** Bars: a full one is the rate before the fault. */
export function curvesDetail(curves: readonly FaultCurve[]): Detail {
  const { beforeMs, afterMs, stepMs } = curveSpan;
  const rows = curves.map(({ kind, points }) => {
    const rates = points.map(({ perSecond }) => perSecond);
    const [before, after] = [rates.slice(0, beforeMs / stepMs), rates.slice(beforeMs / stepMs)];
    const usual = before.reduce((sum, one) => sum + one, 0) / before.length;
    return [kind, formatNumber(Math.round(usual)), `${sparkline(before, usual)}|${sparkline(after, usual)}|`];
  });
  return {
    title: `acknowledged posts over time: ${beforeMs / 1_000} s before the fault (|) to ${afterMs / 1_000} s after it, ${stepMs} ms each`,
    heads: ['fault', 'usual/s', 'full bar = usual'],
    aligns: ['left', 'right', 'left'],
    rows,
  };
}

/** Whether it is each time or one of many: the slowest post of every time, in order. */
export function timesDetail(records: readonly FaultRecord[]): Detail {
  const kinds = [...new Set(records.map(({ kind }) => kind))];
  const rows = kinds.map((kind) => {
    const own = records.filter((record) => record.kind === kind);
    return [kind, own.map(({ slowestMs }) => String(Math.round(Math.max(0, ...slowestMs)))).join(' ')];
  });
  return { title: 'slowest post of each time, ms', heads: ['fault', 'ms'], aligns: ['left', 'left'], rows };
}

/** A kind of fault is a subject of its own: its curves stand beside those of the others. */
export function curveStretches(curves: readonly FaultCurve[]): StretchRecord[] {
  const { beforeMs, afterMs, stepMs } = curveSpan;
  const unknown = { processes: [], hops: [], queues: [], clients: [], othersCores: 0, ownCores: 0, failures: [] };
  return curves.map(({ kind, waits, points }) => ({
    ...unknown,
    subject: kind,
    seconds: (beforeMs + afterMs) / 1_000,
    latencies: [{ name: 'how long affected channels waited', histogram: waits.encode() }],
    rate: { noun: 'acknowledged posts', stepSeconds: stepMs / 1_000, points },
  }));
}
