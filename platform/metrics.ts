/**
 * Metrics of one process: a prom-client registry, and a latency histogram per hop of a message's journey.
 *
 * M1  Observing a hop costs a few additions: buckets are plain counters, and prom-client only sees them when
 *     somebody scrapes. Its own `observe` hashes labels on every call, which the hot path cannot afford.
 * M2  Names start with `belfry_`, units are last (`_seconds`, `_bytes`, `_total`); labels have few values, never ids
 *     of channels or users.
 * M3  A registry belongs to one Metrics object, so that several may live in one process (tests, `belfry dev`).
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Metric } from 'prom-client';

/** ingress: HTTP or frame to command; route: command to reply; append: CAS append; fanout: append to batch; socket: batch to socket. */
export const hops = ['ingress', 'route', 'append', 'fanout', 'socket'] as const;
export type Hop = (typeof hops)[number];

const bucketSeconds = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

const hopMetricName = 'belfry_hop_duration_seconds';

export type HopTimer = {
  /** Milliseconds on a monotonic clock. Negative and NaN count as 0. */
  observe(durationMs: number): void;
};

export type MetricsOptions = {
  role: string;
  id: string;
  /** Absent: true. CPU, memory, event loop lag, file descriptors and garbage collection of the process. */
  processMetrics?: boolean;
};

export type Metrics = {
  readonly registry: Registry;
  readonly hops: Readonly<Record<Hop, HopTimer>>;
  counter(name: string, help: string, labels?: readonly string[]): Counter;
  gauge(name: string, help: string, labels?: readonly string[]): Gauge;
  /** A gauge that is read when somebody scrapes: for sizes that are known anyway. */
  gaugeOf(name: string, help: string, read: () => number): void;
  /** A counter that is kept as a plain number by its owner and read when somebody scrapes. */
  counterOf(name: string, help: string, read: () => number): void;
  /** The Prometheus text, and its content type. */
  expose(): Promise<{ contentType: string; body: string }>;
};

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ role: options.role, node: options.id });
  if (options.processMetrics !== false) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const histogram = new HopHistogram();
  // A registry asks a metric for `name`, `get` and `reset` only; its type asks for the whole class.
  registry.registerMetric(histogram as unknown as Metric);
  return {
    registry,
    hops: histogram.timers,
    counter: (name, help, labels = []) => new Counter({ name, help, labelNames: [...labels], registers }),
    gauge: (name, help, labels = []) => new Gauge({ name, help, labelNames: [...labels], registers }),
    gaugeOf(name, help, read) {
      const gauge: Gauge = new Gauge({
        name,
        help,
        registers,
        collect() {
          gauge.set(read());
        },
      });
    },
    counterOf(name, help, read) {
      const counter: Counter = new Counter({
        name,
        help,
        registers,
        collect() {
          counter.reset();
          counter.inc(Math.max(0, read()));
        },
      });
    },
    async expose() {
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

class Buckets implements HopTimer {
  readonly counts = new Float64Array(bucketSeconds.length + 1);
  sumSeconds = 0;

  observe(durationMs: number): void {
    const seconds = durationMs > 0 ? durationMs / 1_000 : 0;
    let at = 0;
    while (at < bucketSeconds.length && seconds > (bucketSeconds[at] ?? 0)) at += 1;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sumSeconds += seconds;
  }

  reset(): void {
    this.counts.fill(0);
    this.sumSeconds = 0;
  }
}

type HopLabels = 'hop' | 'le';
type Sample = { labels: Partial<Record<HopLabels, string | number>>; value: number; metricName: string };

/** The buckets in the shape that a registry reads from one of prom-client's own histograms (M1). */
class HopHistogram {
  readonly name = hopMetricName;
  readonly timers: Readonly<Record<Hop, Buckets>> = {
    ingress: new Buckets(),
    route: new Buckets(),
    append: new Buckets(),
    fanout: new Buckets(),
    socket: new Buckets(),
  };

  get(): Promise<{ name: string; help: string; type: string; values: Sample[]; aggregator: string }> {
    const help = 'Time that messages spent in one hop of their journey, in seconds.';
    const values = hops.flatMap((hop) => samplesOf(hop, this.timers[hop]));
    return Promise.resolve({ name: this.name, help, type: 'histogram', values, aggregator: 'sum' });
  }

  reset(): void {
    for (const hop of hops) this.timers[hop].reset();
  }
}

function samplesOf(hop: Hop, buckets: Buckets): Sample[] {
  let total = 0;
  const samples: Sample[] = [];
  for (const [at, count] of buckets.counts.entries()) {
    total += count;
    const le = bucketSeconds[at] ?? '+Inf';
    samples.push({ labels: { le, hop }, value: total, metricName: `${hopMetricName}_bucket` });
  }
  samples.push({ labels: { hop }, value: buckets.sumSeconds, metricName: `${hopMetricName}_sum` });
  samples.push({ labels: { hop }, value: total, metricName: `${hopMetricName}_count` });
  return samples;
}
