/**
 * The life of a process: readiness while it runs, one graceful drain at its end.
 *
 * P1  Ready means that every named condition holds; nothing is ready once a drain began.
 * P2  The first stop signal drains, once. Repeats within `signalRepeatMs` are the same request (a terminal and npm
 *     both deliver Ctrl-C); a later one ends the process at once, with exit code 1.
 * P3  Shutdown steps run one after another, the last registered first: what was opened last is closed first. A step
 *     that fails is logged and the next one runs; a drain that outlives its deadline ends with exit code 1.
 * P4  A supervised process (BELFRY_SUPERVISED=1) drains when its standard input ends: the supervisor holds the
 *     other end of that pipe and nothing else can tell of its SIGKILL.
 */
import type { Clock, Timer } from './clock.ts';
import { limits } from './limits.ts';
import type { Logger } from './logger.ts';

export type StopSignal = 'SIGTERM' | 'SIGINT';

/** What a Lifecycle needs of its process; a test fakes it in ten lines. */
export type ProcessPort = {
  onSignal(signal: StopSignal, run: () => void): void;
  /** Calls `run` when standard input ends. Only asked for when supervised. */
  onInputEnd(run: () => void): void;
  readonly supervised: boolean;
  exit(code: number): void;
};

export const systemProcess: ProcessPort = {
  onSignal: (signal, run) => void process.on(signal, run),
  onInputEnd(run) {
    process.stdin.once('end', run).once('error', run).once('close', run).resume();
  },
  supervised: process.env['BELFRY_SUPERVISED'] === '1',
  exit: (code) => process.exit(code),
};

export type Condition = {
  readonly name: string;
  set(holds: boolean): void;
};

export type LifecycleOptions = {
  clock: Clock;
  logger: Logger;
  /** Absent: the real process. */
  process?: ProcessPort;
  drainDeadlineMs?: number;
};

type Step = { name: string; run: () => Promise<void> | void };

export class Lifecycle {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #process: ProcessPort;
  readonly #drainDeadlineMs: number;
  readonly #conditions = new Map<string, boolean>();
  readonly #steps: Step[] = [];
  readonly #draining = new AbortController();
  readonly #readyWaiters: Array<() => void> = [];
  #stopRequestedAtMs: number | undefined;
  #drain: Promise<number> | undefined;

  constructor(options: LifecycleOptions) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#process = options.process ?? systemProcess;
    this.#drainDeadlineMs = options.drainDeadlineMs ?? limits.drainMs;
  }

  /** Aborts when a drain begins: loops take it, listeners refuse new work on it. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** Begins to listen to signals and, when supervised, to the supervisor's death (P4). */
  listen(): void {
    this.#process.onSignal('SIGTERM', () => this.#stopRequested('SIGTERM'));
    this.#process.onSignal('SIGINT', () => this.#stopRequested('SIGINT'));
    if (this.#process.supervised) this.#process.onInputEnd(() => void this.#drainAndExit('supervisor_gone'));
  }

  /** A named condition of readiness. It does not hold until it is set. */
  condition(name: string): Condition {
    if (!this.#conditions.has(name)) this.#conditions.set(name, false);
    return { name, set: (holds) => this.#setCondition(name, holds) };
  }

  isReady(): boolean {
    return !this.draining.aborted && this.missing().length === 0;
  }

  /** The conditions that do not hold, for /readyz. */
  missing(): string[] {
    const missing = [...this.#conditions].filter(([, holds]) => !holds).map(([name]) => name);
    return this.draining.aborted ? ['draining', ...missing] : missing;
  }

  /** Resolves when the process is ready, or a drain began: look at isReady() after it. */
  whenReady(): Promise<void> {
    if (this.isReady() || this.draining.aborted) return Promise.resolve();
    return new Promise((resolve) => this.#readyWaiters.push(resolve));
  }

  /** Adds a step of the shutdown. Steps run in the opposite order of their registration (P3). */
  onShutdown(name: string, run: () => Promise<void> | void): void {
    this.#steps.push({ name, run });
  }

  /** Drains without ending the process. Every call gets the same promise of the exit code. */
  shutdown(reason: string): Promise<number> {
    this.#drain ??= this.#runDrain(reason);
    return this.#drain;
  }

  /** Logs, drains and exits with 1: for what no caller can handle, such as a lost invariant. */
  async fail(event: string, error: unknown): Promise<void> {
    this.#logger.fatal(event, { error });
    await this.shutdown(event);
    this.#process.exit(1);
  }

  #setCondition(name: string, holds: boolean): void {
    if (this.#conditions.get(name) === holds) return;
    const before = this.isReady();
    this.#conditions.set(name, holds);
    this.#logger.debug('condition_changed', { condition: name, holds });
    const after = this.isReady();
    if (before !== after) this.#logger.info(after ? 'ready' : 'not_ready', { missing: this.missing() });
    if (after) this.#wakeReadyWaiters();
  }

  #wakeReadyWaiters(): void {
    for (const wake of this.#readyWaiters.splice(0)) wake();
  }

  #stopRequested(signal: StopSignal): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#stopRequestedAtMs === undefined) {
      this.#stopRequestedAtMs = nowMs;
      void this.#drainAndExit(signal);
      return;
    }
    if (nowMs - this.#stopRequestedAtMs <= limits.signalRepeatMs) return;
    this.#logger.warn('drain_cut_short', { signal });
    this.#process.exit(1);
  }

  async #drainAndExit(reason: string): Promise<void> {
    this.#process.exit(await this.shutdown(reason));
  }

  async #runDrain(reason: string): Promise<number> {
    this.#logger.info('drain_started', { reason });
    this.#draining.abort();
    this.#wakeReadyWaiters();
    const deadline = this.#deadline();
    const code = await Promise.race([this.#runSteps(), deadline.passed]);
    deadline.timer.cancel();
    this.#logger.info('drain_ended', { reason, code });
    return code;
  }

  #deadline(): { passed: Promise<number>; timer: Timer } {
    const { promise, resolve } = deferred<number>();
    const timer = this.#clock.setTimeout(() => {
      this.#logger.error('drain_deadline_passed', { deadlineMs: this.#drainDeadlineMs });
      resolve(1);
    }, this.#drainDeadlineMs);
    return { passed: promise, timer };
  }

  async #runSteps(): Promise<number> {
    let code = 0;
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.run();
      } catch (error) {
        code = 1;
        this.#logger.error('drain_step_failed', { step: step.name, error });
      }
    }
    return code;
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
