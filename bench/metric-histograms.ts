/**
 * Prometheus histograms read from texts of /metrics, and what was counted in them between two readings.
 *
 * P1  Percentiles are read off a straight line within their bucket. What lies beyond the last bucket counts as its bound.
 */
export type MetricHistogram = {
  /** How many were at most so many seconds, by that bound. */
  readonly counts: ReadonlyMap<number, number>;
  readonly sumSeconds: number;
};

/** By the values of the labels asked for, with a space between them. */
export type MetricHistograms = ReadonlyMap<string, MetricHistogram>;

export type Durations = {
  readonly key: string;
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

/** Of the /metrics of any number of processes, added up where `labels` are the same. */
export function parseHistograms(text: string, metric: string, labels: readonly string[]): MetricHistograms {
  const found = new Map<string, { counts: Map<number, number>; sumSeconds: number }>();
  for (const [, part, labelText = '', value] of text.matchAll(sampleOf(metric))) {
    const key = labels.map((label) => labelOf(labelText, label)).join(' ');
    const histogram = found.get(key) ?? { counts: new Map<number, number>(), sumSeconds: 0 };
    found.set(key, histogram);
    if (part === 'sum') {
      histogram.sumSeconds += Number(value);
    } else {
      const bound = labelOf(labelText, 'le');
      const seconds = bound === '+Inf' ? Infinity : Number(bound);
      histogram.counts.set(seconds, (histogram.counts.get(seconds) ?? 0) + Number(value));
    }
  }
  return found;
}

/** What was counted from one reading to the other; nothing of those in which nothing was. */
export function durationsBetween(from: MetricHistograms, to: MetricHistograms): Durations[] {
  return [...to].flatMap(([key, { counts, sumSeconds }]) => {
    const before = from.get(key);
    const bounds = [...counts.keys()].toSorted((a, b) => a - b);
    const grown = bounds.map((bound) => ({
      bound,
      count: (counts.get(bound) ?? 0) - (before?.counts.get(bound) ?? 0),
    }));
    const count = grown.at(-1)?.count ?? 0;
    const meanMs = ((sumSeconds - (before?.sumSeconds ?? 0)) * 1_000) / count;
    const [p50Ms, p99Ms] = [percentileMs(grown, 0.5), percentileMs(grown, 0.99)];
    return count === 0 ? [] : [{ key, count, meanMs, p50Ms, p99Ms }];
  });
}

/** P1 */
function percentileMs(grown: readonly { readonly bound: number; readonly count: number }[], share: number): number {
  const wanted = (grown.at(-1)?.count ?? 0) * share;
  let below = { bound: 0, count: 0 };
  for (const step of grown) {
    if (step.count >= wanted) {
      if (step.bound === Infinity) break;
      const part = (wanted - below.count) / (step.count - below.count);
      return (below.bound + (step.bound - below.bound) * part) * 1_000;
    }
    below = step;
  }
  return below.bound * 1_000;
}

function sampleOf(metric: string): RegExp {
  return new RegExp(`^${metric}_(bucket|sum)\\{([^}]*)\\} (\\S+)$`, 'gm');
}

function labelOf(labels: string, name: string): string {
  return new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
}
