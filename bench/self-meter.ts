/**
 * What a load process sees of itself while it works: how much of a core it uses, and how late its event loop is. A
 * client that is late itself measures its own lateness as the server's.
 */
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import type { Clock } from '../platform/clock.ts';

export type ClientUse = {
  /** Of one core: user and system time, all threads. */
  readonly cores: number;
  /** 99 of 100 looks at the clock came at most this late. */
  readonly lagP99Ms: number;
};

const lookEveryMs = 5;

export class SelfMeter {
  readonly #clock: Clock;
  /** Counts the time between looks, which is never less than their period. */
  readonly #looks: IntervalHistogram = monitorEventLoopDelay({ resolution: lookEveryMs });
  #fromCpuUs = 0;
  #fromMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): void {
    this.#looks.reset();
    this.#looks.enable();
    this.#fromCpuUs = cpuUs();
    this.#fromMs = this.#clock.monotonicMs();
  }

  end(): ClientUse {
    this.#looks.disable();
    const seconds = (this.#clock.monotonicMs() - this.#fromMs) / 1_000;
    const lagMs = this.#looks.percentile(99) / 1e6 - lookEveryMs;
    return { cores: (cpuUs() - this.#fromCpuUs) / 1e6 / seconds, lagP99Ms: Math.max(0, lagMs) };
  }
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
