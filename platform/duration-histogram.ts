/**
 * A latency histogram of one process, told apart by one label, in the shape that a prom-client registry reads.
 *
 * D1  Observing costs a few additions: buckets are plain counters, and prom-client only sees them when somebody scrapes.
 *     Its own `observe` hashes labels on every call, which the hot path cannot afford.
 * D2  Every value of the label is exposed from the start, with zeros.
 */
export type DurationTimer = {
  /** Milliseconds on a monotonic clock. Negative and NaN count as 0. */
  observe(durationMs: number): void;
};

export type DurationHistogramOptions<Value extends string> = {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly values: readonly Value[];
  /** Upper bounds of the buckets, rising; one without a bound follows. */
  readonly bucketSeconds: readonly number[];
};

type Sample = { labels: Record<string, string | number>; value: number; metricName: string };

export class DurationHistogram<Value extends string> {
  readonly name: string;
  readonly timers: Readonly<Record<Value, DurationTimer>>;
  readonly #options: DurationHistogramOptions<Value>;
  readonly #buckets: ReadonlyMap<Value, Buckets>;

  constructor(options: DurationHistogramOptions<Value>) {
    this.name = options.name;
    this.#options = options;
    this.#buckets = new Map(options.values.map((value) => [value, new Buckets(options.bucketSeconds)]));
    this.timers = Object.fromEntries(this.#buckets) as Record<Value, Buckets>;
  }

  get(): Promise<{ name: string; help: string; type: string; values: Sample[]; aggregator: string }> {
    const { name, help } = this.#options;
    const values = [...this.#buckets].flatMap(([value, buckets]) => this.#samples(value, buckets));
    return Promise.resolve({ name, help, type: 'histogram', values, aggregator: 'sum' });
  }

  reset(): void {
    for (const buckets of this.#buckets.values()) buckets.reset();
  }

  #samples(value: Value, buckets: Buckets): Sample[] {
    const { name, label, bucketSeconds } = this.#options;
    let total = 0;
    const samples: Sample[] = [];
    for (const [at, count] of buckets.counts.entries()) {
      total += count;
      const le = bucketSeconds[at] ?? '+Inf';
      samples.push({ labels: { le, [label]: value }, value: total, metricName: `${name}_bucket` });
    }
    samples.push({ labels: { [label]: value }, value: buckets.sumSeconds, metricName: `${name}_sum` });
    samples.push({ labels: { [label]: value }, value: total, metricName: `${name}_count` });
    return samples;
  }
}

class Buckets implements DurationTimer {
  readonly counts: Float64Array;
  readonly #bounds: readonly number[];
  sumSeconds = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(durationMs: number): void {
    const seconds = durationMs > 0 ? durationMs / 1_000 : 0;
    let at = 0;
    while (at < this.#bounds.length && seconds > (this.#bounds[at] ?? 0)) at += 1;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sumSeconds += seconds;
  }

  reset(): void {
    this.counts.fill(0);
    this.sumSeconds = 0;
  }
}
