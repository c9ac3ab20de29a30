/**
 * What the page's charts draw, taken from a result: plain numbers on shared x axes, as the chart library wants them.
 *
 * D1  Percentiles stand on an axis of nines: 0 is 0 %, 1 is 90 %, 2 is 99 %. A curve ends where its count of values does: of
 *     1,000 values nobody knows the 99.99th percentile.
 * D2  Latencies are of all runs together; rates are run by run, in steps of half a second or those they come with.
 * D3  A subject has the same colour everywhere: its place in `subjects`.
 */
import { LatencyHistogram } from '../histogram.ts';
import type { RatePoint } from '../rate-meter.ts';
import type { StretchRecord } from '../stretch-record.ts';
import type { Result } from './result.ts';

export type Series = {
  readonly label: string;
  /** Index into the palette (D3). */
  readonly colour: number;
  /** One for each x; null where there is none. */
  readonly values: readonly (number | null)[];
  /** Drawn thinner: a repeat of the one before. */
  readonly repeat: boolean;
};

export type Chart = {
  readonly kind: 'percentiles' | 'rate';
  readonly title: string;
  readonly unit: string;
  readonly x: readonly number[];
  readonly series: readonly Series[];
};

export type PageData = { readonly subjects: readonly string[]; readonly charts: readonly Chart[] };

const ninesStep = 0.05;
const ninesMax = 5;
/** The axis is logarithmic: there is no zero on it. */
const leastMs = 0.001;
const rateStepSeconds = 0.5;

export function pageDataOf(result: Result): PageData {
  const stretches = result.runs.flatMap((run) => run.stretches);
  const subjects = unique(stretches.map(({ subject }) => subject));
  const names = unique(stretches.flatMap(({ latencies }) => latencies.map(({ name }) => name)));
  const nouns = unique(stretches.flatMap(({ rate }) => (rate === null ? [] : [rate.noun])));
  return {
    subjects,
    charts: [
      ...names.map((name) => percentileChart(name, subjects, stretches)),
      ...nouns.map((noun) => rateChart(noun, subjects, stretches)),
    ],
  };
}

/** D1 */
function percentileChart(name: string, subjects: readonly string[], stretches: readonly StretchRecord[]): Chart {
  const x = steps(Math.round(ninesMax / ninesStep), ninesStep);
  const series = subjects.flatMap((subject, colour): Series[] => {
    const own = stretches.filter((stretch) => stretch.subject === subject);
    const texts = own.flatMap(({ latencies }) => latencies.filter((one) => one.name === name));
    const latency = LatencyHistogram.merged(texts.map(({ histogram }) => histogram));
    if (latency.count === 0) return [];
    return [{ label: subject, colour, repeat: false, values: x.map((nines) => valueAt(latency, nines)) }];
  });
  return { kind: 'percentiles', title: name, unit: 'ms', x, series };
}

function valueAt(latency: LatencyHistogram, nines: number): number | null {
  return 10 ** nines > latency.count ? null : Math.max(leastMs, latency.valueMsAt(100 * (1 - 10 ** -nines)));
}

/** D2 */
function rateChart(noun: string, subjects: readonly string[], stretches: readonly StretchRecord[]): Chart {
  const found = stretches.flatMap(({ rate, subject }) => (rate?.noun === noun ? [{ subject, ...rate }] : []));
  const step = Math.min(...found.map(({ stepSeconds = rateStepSeconds }) => stepSeconds));
  const stepOf = (point: RatePoint) => Math.round(point.atSeconds / step);
  const used = found.flatMap(({ points }) => points.map(stepOf));
  const [first, last] = [Math.min(0, ...used), Math.max(0, ...used)];
  const x = steps(last - first, step, first);
  const series = subjects.flatMap((subject, colour) => {
    const own = found.filter((one) => one.subject === subject);
    return own.map(({ points }, run): Series => {
      const label = own.length === 1 ? subject : `${subject}, run ${run + 1}`;
      const byStep = new Map(points.map((point) => [stepOf(point), point.perSecond]));
      return { label, colour, repeat: run > 0, values: x.map((_, at) => byStep.get(first + at) ?? null) };
    });
  });
  return { kind: 'rate', title: `${noun} a second`, unit: '/s', x, series };
}

/** So many steps, from the `first`th on: 0, step, 2 step … `count` step. */
function steps(count: number, step: number, first = 0): number[] {
  return Array.from({ length: count + 1 }, (_, at) => Math.round((first + at) * step * 100) / 100);
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
