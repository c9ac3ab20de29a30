/**
 * Latencies: an HDR histogram of microseconds with three digits, that travels between processes as text.
 *
 * Values over a minute count as a minute: such a run has failed its user whatever the exact figure. Up to 131 ms they
 * are first counted in steps of 8 us, since finding the place in an HDR histogram costs more than all else per delivery.
 */
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

const highestUs = 60_000_000;
const stepUs = 8;
const stepShift = 3;
const stepCount = 16_384;

export type Percentiles = { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };

export class LatencyHistogram {
  readonly #histogram: Histogram;
  readonly #steps = new Uint32Array(stepCount);

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
    for (const text of texts) whole.#histogram.add(decodeFromCompressedBase64(text));
    return whole;
  }

  get count(): number {
    return this.#whole().totalCount;
  }

  record(latencyUs: number): void {
    const step = latencyUs >> stepShift;
    if (step >= 0 && step < stepCount && latencyUs < highestUs) this.#steps[step] = (this.#steps[step] ?? 0) + 1;
    else this.#histogram.recordValue(Math.min(Math.max(Math.round(latencyUs), 0), highestUs));
  }

  reset(): void {
    this.#histogram.reset();
    this.#steps.fill(0);
  }

  percentiles(): Percentiles {
    const histogram = this.#whole();
    const ms = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1_000;
    return { p50Ms: ms(50), p99Ms: ms(99), maxMs: histogram.maxValue / 1_000 };
  }

  /** The value in milliseconds that `percentile` of 100 are at or below. */
  valueMsAt(percentile: number): number {
    return this.#whole().getValueAtPercentile(percentile) / 1_000;
  }

  encode(): string {
    return encodeIntoCompressedBase64(this.#whole());
  }

  /** Moves what was counted in steps to where it belongs: to the middle of its step. */
  #whole(): Histogram {
    for (const [step, count] of this.#steps.entries()) {
      if (count > 0) this.#histogram.recordValueWithCount(step * stepUs + stepUs / 2, count);
    }
    this.#steps.fill(0);
    return this.#histogram;
  }
}
