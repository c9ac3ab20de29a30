/**
 * What a load process sees of itself while it works: how much of a core it uses, and how late its event loop is. A
 * client that is late itself measures its own lateness as the server's.
 */
import type { Clock } from '../platform/clock.ts';
import { LoopDelay } from './loop-delay.ts';

export type ClientUse = {
  /** Of one core: user and system time, all threads. */
  readonly cores: number;
  /** 99 of 100 arrivals would have waited at most this long for their turn (loop-delay.ts). */
  readonly lagP99Ms: number;
};

export class SelfMeter {
  readonly #clock: Clock;
  #delay: LoopDelay | undefined;
  #fromCpuUs = 0;
  #fromMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(): void {
    this.#delay?.stop();
    this.#delay = new LoopDelay(this.#clock);
    this.#fromCpuUs = cpuUs();
    this.#fromMs = this.#clock.monotonicMs();
  }

  end(): ClientUse {
    const seconds = (this.#clock.monotonicMs() - this.#fromMs) / 1_000;
    const lagP99Ms = this.#delay?.stop().percentiles().p99Ms ?? 0;
    return { cores: (cpuUs() - this.#fromCpuUs) / 1e6 / seconds, lagP99Ms };
  }
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
