/**
 * One supervised process of `belfry dev`: started, watched, started again when it dies, ended at last.
 *
 * S1  A child has a process group of its own: Ctrl-C reaches the supervisor alone, which then ends all in order.
 * S2  A child ends when its supervisor dies, however that dies: roles see their standard input end; what does not look
 *     at its input (nats-server) has a watchdog that does.
 * S3  A child keeps its id and its port over restarts. Before it was ever ready it is given up when it says that only
 *     the operator can mend what is wrong (exit code 2), or after `startTries` lives.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { deferred } from './deferred.ts';
import { failuresAfter, restartDelayMs } from './restart-policy.ts';
import { startWatchdog } from './watchdog.ts';

export type ChildRole = 'nats' | 'webapp' | 'worker' | 'gateway';

export type ChildSpec = {
  readonly role: ChildRole;
  readonly id: string;
  readonly command: string;
  /** Its arguments, given the port it had before (0: this is its first start). */
  args(port: number): readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** True: it watches its standard input itself. False: it gets a watchdog (S2). */
  readonly watchesInput: boolean;
  /** Lives it may use up before it is ready for the first time (S3). */
  readonly startTries: number;
  /** Resolves with its port (0: none) once it is ready; never, when it does not get so far. */
  whenReady(child: ChildProcess, over: AbortSignal): Promise<number>;
};

export type ChildEntry = { readonly role: ChildRole; readonly id: string; readonly pid: number; readonly port: number };

export type ChildHooks = {
  /** A process began, is ready, or is gone: pid() or entry() has changed. */
  onChange(): void;
  /** One line for the operator. */
  say(line: string): void;
};

/** How a first start went; `ended` says why in a few words. */
export type StartOutcome = { readonly kind: 'ready' } | { readonly kind: 'ended'; readonly why: string };

type Life = {
  readonly process: ChildProcess;
  readonly startedAtMs: number;
  readonly over: AbortController;
  readonly dismissWatchdog: () => void;
};
/** `final`: another life would end the same way. */
type LifeEnd = { readonly why: string; readonly killed: boolean; readonly final: boolean };
type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'starting'; readonly life: Life }
  | { readonly kind: 'ready'; readonly life: Life }
  | { readonly kind: 'waiting'; readonly timer: Timer }
  | { readonly kind: 'stopping'; readonly life: Life };

const operatorMustMend = 2;

export class SupervisedChild {
  readonly spec: ChildSpec;
  readonly #clock: Clock;
  readonly #hooks: ChildHooks;
  readonly #started = deferred<StartOutcome>();
  #phase: Phase = { kind: 'idle' };
  #onIdle: (() => void) | undefined;
  #port = 0;
  #failures = 0;
  #lives = 0;
  #everReady = false;

  constructor(spec: ChildSpec, clock: Clock, hooks: ChildHooks) {
    this.spec = spec;
    this.#clock = clock;
    this.#hooks = hooks;
  }

  /** Starts it for the first time; resolves when it is ready or has ended. */
  start(): Promise<StartOutcome> {
    this.#spawn();
    return this.#started.promise;
  }

  /** As dev.json lists it; undefined while no process of it is ready. */
  entry(): ChildEntry | undefined {
    if (this.#phase.kind !== 'ready') return undefined;
    return { role: this.spec.role, id: this.spec.id, pid: this.pid() ?? 0, port: this.#port };
  }

  /** Where it listens since it was ready first; 0 before that, and for what has no port. */
  get port(): number {
    return this.#port;
  }

  pid(): number | undefined {
    const phase = this.#phase;
    return phase.kind === 'idle' || phase.kind === 'waiting' ? undefined : phase.life.process.pid;
  }

  /** Ends it: SIGTERM, and SIGKILL when it takes too long. Resolves when it is gone. */
  async stop(): Promise<void> {
    const phase = this.#phase;
    if (phase.kind === 'waiting') phase.timer.cancel();
    if (phase.kind === 'idle' || phase.kind === 'waiting') {
      this.#phase = { kind: 'idle' };
      this.#started.resolve({ kind: 'ended', why: 'stopped' });
      return;
    }
    const gone = deferred<void>();
    this.#onIdle = () => gone.resolve();
    this.#phase = { kind: 'stopping', life: phase.life };
    phase.life.process.kill('SIGTERM');
    const timer = this.#clock.setTimeout(() => this.killNow(), limits.childEndMs);
    await gone.promise;
    timer.cancel();
  }

  /** SIGKILL, for an operator who does not want to wait. */
  killNow(): void {
    const phase = this.#phase;
    if (phase.kind !== 'idle' && phase.kind !== 'waiting') phase.life.process.kill('SIGKILL');
  }

  #spawn(): void {
    const { spec } = this;
    const child = spawn(spec.command, spec.args(this.#port), {
      detached: true,
      env: { ...spec.env },
      stdio: [spec.watchesInput ? 'pipe' : 'ignore', 'pipe', 'inherit'],
    });
    const dismissWatchdog = spec.watchesInput || child.pid === undefined ? nothing : startWatchdog(child.pid);
    const life: Life = {
      process: child,
      startedAtMs: this.#clock.monotonicMs(),
      over: new AbortController(),
      dismissWatchdog,
    };
    this.#lives += 1;
    this.#phase = { kind: 'starting', life };
    this.#hooks.onChange();
    child.stdin?.on('error', nothing);
    child.once('error', (error) => this.#lifeEnded(life, { why: error.message, killed: false, final: true }));
    child.once('exit', (code, signal) => this.#lifeEnded(life, endOf(code, signal)));
    if (child.pid !== undefined)
      void spec.whenReady(child, life.over.signal).then((port) => this.#lifeReady(life, port));
  }

  #lifeReady(life: Life, port: number): void {
    if (this.#phase.kind !== 'starting' || this.#phase.life !== life) return;
    this.#phase = { kind: 'ready', life };
    this.#port = port;
    if (this.#everReady) this.#hooks.say(`${this.spec.id} is ready again (process ${life.process.pid})`);
    this.#everReady = true;
    this.#started.resolve({ kind: 'ready' });
    this.#hooks.onChange();
  }

  #lifeEnded(life: Life, { why, killed, final }: LifeEnd): void {
    // A process that could not be started may report both an error and an exit.
    if (life.over.signal.aborted) return;
    life.over.abort();
    life.dismissWatchdog();
    const before = this.#phase.kind;
    const hopeless = !this.#everReady && (final || this.#lives >= this.spec.startTries);
    if (before === 'stopping' || hopeless) {
      this.#phase = { kind: 'idle' };
      this.#onIdle?.();
      this.#started.resolve({ kind: 'ended', why });
      return;
    }
    const livedMs = this.#clock.monotonicMs() - life.startedAtMs;
    this.#failures = failuresAfter(this.#failures, { livedMs, wasReady: before === 'ready', killed });
    this.#restartLater(why);
  }

  #restartLater(why: string): void {
    const delayMs = restartDelayMs(this.#failures);
    this.#phase = { kind: 'waiting', timer: this.#clock.setTimeout(() => this.#spawn(), delayMs) };
    this.#hooks.say(`${this.spec.id} ended (${why}); it starts again in ${delayMs / 1_000} s`);
    this.#hooks.onChange();
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null): LifeEnd {
  if (signal !== null) return { why: signal, killed: true, final: false };
  return { why: `exit code ${code ?? 'unknown'}`, killed: false, final: code === operatorMustMend };
}

function nothing(): void {
  // Errors of a pipe to a process that has ended: its exit says it already.
}
