/**
 * The rate at which one side of the fan-out is measured: what was asked for, or what the side sustains, which is every
 * message on every socket, once and in order, with a p99 latency within the bound that a saturated figure must keep. Every
 * side has one of these, so all are judged by the same rule.
 *
 * H1  It is sought in trials of equal length, up from a rate that anything sustains. One that fails is tried once more: on
 *     a shared machine one bad second says nothing. Nor does a rate that fails narrowly: a side that gathers more under load
 *     may keep the bound again at a higher one, so the search goes on up to one that the side cannot keep up with.
 * H2  At the edge itself a queue grows so slowly that a trial does not see it, but a run does: the rate is 0.85 of what
 *     the trials find, also where they find all that was asked for.
 * H3  A run that misses the bound all the same is measured again at 0.85 of its rate, `stepsDownMax` times a side at most;
 *     the runs after it stay at that rate, and notes() tell of it. What still misses after that says so. A run that lost
 *     a message is never measured again: it has failed.
 */
import type { Delivered } from './fanout-checks.ts';
import { LatencyHistogram } from './histogram.ts';
import { formatNumber } from './table.ts';

/** A figure bought with more latency than this does not count. */
export const saturatedP99MsMax = 50;
const lowestRate = 50;
/** A side that is so late after a trial does not keep up: its queue grows. */
const overrunP99Ms = 10 * saturatedP99MsMax;

const halvings = 3;
const headroom = 0.85;
const stepsDownMax = 4;
/** Long enough for a rate that makes a queue grow to show it (H2). */
const trialSeconds = 2;

/** Messages at a rate for so long, until every socket has the last. */
export type Deliver = (rate: number, seconds: number) => Promise<Delivered>;

export class SustainedRate {
  readonly #most: number;
  readonly #saturate: boolean;
  readonly #notes: string[] = [];
  #rate: number;
  #stepsDown = 0;

  /** `saturate`: whether what is not sustained is lowered; `rate` is the most. */
  constructor({ rate, saturate }: { readonly rate: number; readonly saturate: boolean }) {
    this.#most = rate;
    this.#rate = rate;
    this.#saturate = saturate;
  }

  /** Seeks the rate, if it is to be sought, and warms up with it; what the warm-up brought. */
  async find(deliver: Deliver): Promise<Delivered> {
    if (this.#saturate) this.#rate = await soughtRate(this.#most, (rate) => deliver(rate, trialSeconds));
    return deliver(this.#rate, trialSeconds);
  }

  /** One run, at a lower rate if it must be (H3). */
  async measure<Run extends { readonly result: Delivered }>(run: (rate: number) => Promise<Run>): Promise<Run> {
    for (;;) {
      const done = await run(this.#rate);
      const isSlow = done.result.failures.length === 0 && !isSustained(done.result);
      if (!this.#saturate || !isSlow || !this.#stepDown(done.result)) return done;
    }
  }

  /** Of the runs that were measured again. */
  notes(subject: string): string[] {
    return this.#notes.map((note) => `${subject}: ${note}`);
  }

  #stepDown(missed: Delivered): boolean {
    const rate = lowered(this.#rate, this.#most);
    if (this.#stepsDown === stepsDownMax || rate === this.#rate) return false;
    const p99 = formatNumber(p99MsOf(missed));
    this.#notes.push(`a run at ${this.#rate} messages/s had a p99 of ${p99} ms and was measured again at ${rate}`);
    this.#stepsDown += 1;
    this.#rate = rate;
    return true;
  }
}

/** Messages a second (H2); never less than `lowestRate`, but for `most`. */
async function soughtRate(most: number, deliver: (rate: number) => Promise<Delivered>): Promise<number> {
  let isOverrun = false;
  const sustained = async (rate: number) => {
    const first = await deliver(rate);
    if (isSustained(first)) return true;
    const second = await deliver(rate);
    isOverrun = [first, second].every((trial) => trial.failures.length > 0 || p99MsOf(trial) > overrunP99Ms);
    return isSustained(second);
  };
  let good = Math.min(lowestRate, most);
  let bad = Infinity;
  for (const rate of doublings(most)) {
    if (await sustained(rate)) [good, bad] = [rate, Infinity];
    else bad = Math.min(bad, rate);
    if (isOverrun) break;
  }
  for (let step = 0; step < halvings && bad !== Infinity; step += 1) {
    const middle = Math.round((good + bad) / 2);
    if (await sustained(middle)) good = middle;
    else bad = middle;
  }
  return lowered(good, most);
}

/** Above `lowestRate`, up to `most`. */
function doublings(most: number): number[] {
  const steps = Math.max(0, Math.ceil(Math.log2(most / lowestRate)));
  return Array.from({ length: steps }, (_, at) => Math.min(lowestRate * 2 ** (at + 1), most));
}

function lowered(rate: number, most: number): number {
  return Math.max(Math.min(lowestRate, most), Math.round(rate * headroom));
}

function isSustained(delivered: Delivered): boolean {
  return delivered.failures.length === 0 && p99MsOf(delivered) <= saturatedP99MsMax;
}

function p99MsOf({ reports }: Delivered): number {
  return LatencyHistogram.merged(reports.map(({ latency }) => latency)).percentiles().p99Ms;
}
