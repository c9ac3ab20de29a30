/**
 * Latencies: an HDR histogram of microseconds with three digits, that travels between processes as text.
 *
 * Values over a minute count as a minute: such a run has failed its user whatever the exact figure.
 */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

const highestUs = 60_000_000;

export type Percentiles = { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };

export class LatencyHistogram {
  readonly #histogram: Histogram;

  constructor(histogram?: Histogram) {
    this.#histogram =
      histogram ?? build({ bitBucketSize: 32, highestTrackableValue: highestUs, numberOfSignificantValueDigits: 3 });
  }

  static decode(text: string): LatencyHistogram {
    return new LatencyHistogram(decodeFromCompressedBase64(text));
  }

  /** All of them as one. */
  static merged(texts: readonly string[]): LatencyHistogram {
    const whole = new LatencyHistogram();
    for (const text of texts) whole.#histogram.add(LatencyHistogram.decode(text).#histogram);
    return whole;
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  record(latencyUs: number): void {
    this.#histogram.recordValue(Math.min(Math.max(Math.round(latencyUs), 0), highestUs));
  }

  reset(): void {
    this.#histogram.reset();
  }

  percentiles(): Percentiles {
    const ms = (percentile: number) => this.#histogram.getValueAtPercentile(percentile) / 1_000;
    return { p50Ms: ms(50), p99Ms: ms(99), maxMs: this.#histogram.maxValue / 1_000 };
  }

  encode(): string {
    return encodeIntoCompressedBase64(this.#histogram);
  }
}
