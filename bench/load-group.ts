/**
 * The load processes of a scenario that do the same: calls to all of them, a live count while they work, and an eye on
 * whether they themselves are what limits the figures.
 */
import type { Timer } from '../platform/clock.ts';
import { startLoad, type LoadContract, type LoadProcess } from './load-process.ts';
import { cpuSecondsOf } from './process-cpu.ts';
import type { RunContext } from './scenario.ts';
import { formatNumber } from './table.ts';

/** A load process that used this much of one core had no room left: Node runs JavaScript on one. */
const boundCores = 0.85;
const showEveryMs = 500;

export class LoadGroup<Contract extends LoadContract> {
  readonly #processes: readonly LoadProcess<Contract>[];
  readonly #context: RunContext;
  #busiestCores = 0;

  constructor(name: string, count: number, context: RunContext) {
    this.#processes = startLoad<Contract>(name, count, context.signal);
    this.#context = context;
  }

  get size(): number {
    return this.#processes.length;
  }

  pids(): number[] {
    return this.#processes.map(({ pid }) => pid);
  }

  callAll<Method extends keyof Contract & string>(
    method: Method,
    params: Contract[Method]['params'],
  ): Promise<Contract[Method]['result'][]> {
    return this.callEach(method, () => params);
  }

  callEach<Method extends keyof Contract & string>(
    method: Method,
    params: (at: number) => Contract[Method]['params'],
  ): Promise<Contract[Method]['result'][]> {
    return Promise.all(this.#processes.map((load, at) => load.call(method, params(at))));
  }

  /** Does `work`, showing meanwhile how the sum of `method`'s answers grows; and watches the processes' own CPU. */
  async watch<T>(method: keyof Contract & string, noun: string, work: () => Promise<T>): Promise<T> {
    const { clock } = this.#context;
    const startMs = clock.monotonicMs();
    const before = this.#cpu();
    const timer = this.#showRate(method, noun, startMs);
    try {
      return await work();
    } finally {
      timer.cancel();
      const seconds = (clock.monotonicMs() - startMs) / 1_000;
      const used = this.#cpu().map((cpu, at) => (cpu - (before[at] ?? 0)) / seconds);
      this.#busiestCores = Math.max(...used);
    }
  }

  /** What the last watch() saw, as far as a reader must know it. */
  notes(): string[] {
    const used = `the busiest load process used ${formatNumber(this.#busiestCores)} of a core`;
    return this.#busiestCores < boundCores ? [] : [`client-bound: ${used}; try --load-procs ${this.size + 1}`];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((load) => load.stop()));
  }

  #showRate(method: keyof Contract & string, noun: string, startMs: number): Timer {
    const { clock, progress, seconds } = this.#context;
    return clock.setInterval(() => {
      void this.callAll(method, null).then(
        (counts) => {
          const elapsed = (clock.monotonicMs() - startMs) / 1_000;
          const count = counts.reduce<number>((sum, value) => sum + Number(value), 0);
          const rate = formatNumber(Math.round(count / elapsed));
          progress.show(`${elapsed.toFixed(1)} of ${seconds} s: ${formatNumber(count)} ${noun}, ${rate}/s`);
        },
        () => undefined,
      );
    }, showEveryMs);
  }

  #cpu(): number[] {
    return this.#processes.map(({ pid }) => cpuSecondsOf(pid) ?? 0);
  }
}
