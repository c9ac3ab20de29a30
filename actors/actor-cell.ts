/**
 * The cell an actor lives in: its mailbox, one turn at a time, and its supervision. What the actor does in a turn is
 * its behaviour's; the cell decides when, and what becomes of the messages when the behaviour fails.
 *
 * Invariants:
 * A1  At most one turn, or activation, of a behaviour is running.
 * A2  Every message that `tell` accepted is either taken by a turn or handed to `refuse`, exactly once.
 * A3  A behaviour that throws is dropped with its state, which is in the log; the next message makes a new one. More
 *     than `restartsMax` failures within `restartWindowMs`: messages are refused until the window has passed.
 * A4  `stop` ends the loop before the next turn; what waits is refused, the turn in progress finishes by itself.
 */
import type { Clock } from '../platform/clock.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';
import type { Logger } from '../platform/logger.ts';
import { retryable, unknownFate, type Failure } from '../protocol/errors.ts';
import { Mailbox, type MailboxLimits } from './mailbox.ts';

export type Activation = { readonly kind: 'ready' } | { readonly kind: 'unavailable'; readonly reason: string };

/** `reset`: the state is not to be trusted any more, for a reason that is no bug; the next message builds it anew. */
export type TurnEnd = 'done' | 'reset';

export interface Behaviour<M> {
  /** Builds the state. Messages wait meanwhile. */
  activate(): Promise<Activation>;
  /** Asked before each turn. Undefined: it begins now; else when this resolves, with what has come meanwhile. */
  gather(): Promise<void> | undefined;
  /** Takes messages from the mailbox, at least one, and is done with them when it returns or resolves. */
  turn(mailbox: Mailbox<M>): Promise<TurnEnd> | TurnEnd;
  /** The messages of the turn in progress that have no answer yet: asked for when the turn threw. */
  unanswered(): readonly M[];
  /** True while something besides the turn is going on that would be lost with the state. */
  busy(): boolean;
  /** The behaviour will not be called again. */
  dispose(): void;
}

export interface CellOptions<M, B extends Behaviour<M>> {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly mailbox: MailboxLimits;
  readonly restartsMax: number;
  readonly restartWindowMs: number;
  readonly create: () => B;
  readonly refuse: (message: M, failure: Failure) => void;
  /** Nothing waits and no turn runs. */
  readonly idle: () => void;
  /** How long a turn's oldest message waited for the activation or the turn before, gathering not counted. */
  readonly waits?: DurationTimer;
}

export class ActorCell<M, B extends Behaviour<M> = Behaviour<M>> {
  readonly #options: CellOptions<M, B>;
  readonly #mailbox: Mailbox<M>;
  #behaviour: B | undefined;
  #running = false;
  #stopped: Failure | undefined;
  #failuresMs: number[] = [];
  readonly #whenIdle: (() => void)[] = [];
  /** The turn that comes next has waited for others of its messages. */
  #gathered = false;
  /** When the oldest of what could not be taken at once came, or a moment before; undefined: all was. */
  #waitingSinceMs: number | undefined;
  readonly #proceed = (end: unknown): void => {
    if (end === 'reset') this.#dispose();
    this.#run();
  };
  readonly #recover = (error: unknown): void => {
    this.#fail(error);
    this.#run();
  };

  constructor(options: CellOptions<M, B>) {
    this.#options = options;
    this.#mailbox = new Mailbox(options.mailbox);
  }

  /** The active behaviour; undefined before its activation and after a failure. */
  get behaviour(): B | undefined {
    return this.#behaviour;
  }

  /** Whether dropping the cell now would lose work. */
  get busy(): boolean {
    return this.#running || this.#mailbox.size > 0 || (this.#behaviour?.busy() ?? false);
  }

  /** False: the mailbox is full. */
  tell(message: M, bytes: number): boolean {
    if (this.#stopped !== undefined) {
      this.#options.refuse(message, this.#stopped);
      return true;
    }
    if (!this.#mailbox.push(message, bytes)) return false;
    if (this.#running) this.#waitingSinceMs ??= this.#options.clock.monotonicMs();
    else this.#run();
    return true;
  }

  /** Resolves when nothing waits and no turn runs. */
  idle(): Promise<void> {
    return this.#running ? new Promise((resolve) => this.#whenIdle.push(resolve)) : Promise.resolve();
  }

  /** No further turn starts (A4). */
  stop(reason: string): void {
    this.#stopped = retryable(reason);
    this.#refuseAll(this.#stopped);
    if (!this.#running) this.#dispose();
  }

  /** Step by step, until there is something to wait for. With callbacks: an async loop costs every turn its frame. */
  #run(): void {
    this.#running = true;
    while (this.#mailbox.size > 0 && this.#stopped === undefined) {
      const waiting = this.#step();
      if (waiting !== undefined) return void waiting.then(this.#proceed, this.#recover);
    }
    this.#running = false;
    if (this.#stopped === undefined) this.#options.idle();
    else this.#dispose();
    if (this.#whenIdle.length > 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** What comes next: to activate, to gather, a turn. Undefined: there was nothing to wait for. */
  #step(): Promise<unknown> | undefined {
    try {
      const behaviour = this.#behaviour;
      if (behaviour === undefined) return this.#activate();
      const gathering = this.#gathered ? undefined : this.#gather(behaviour);
      this.#gathered = gathering !== undefined;
      if (gathering !== undefined) return gathering;
      const turn = behaviour.turn(this.#mailbox);
      if (this.#mailbox.size === 0) this.#waitingSinceMs = undefined;
      if (typeof turn !== 'string') return turn;
      if (turn === 'reset') this.#dispose();
    } catch (error) {
      this.#fail(error);
    }
    return undefined;
  }

  #gather(behaviour: B): Promise<void> | undefined {
    const { clock, waits } = this.#options;
    waits?.observe(this.#waitingSinceMs === undefined ? 0 : clock.monotonicMs() - this.#waitingSinceMs);
    return behaviour.gather();
  }

  async #activate(): Promise<void> {
    this.#waitingSinceMs ??= this.#options.clock.monotonicMs();
    if (this.#exhausted()) return this.#refuseAll(retryable('actor keeps failing'));
    const behaviour = this.#options.create();
    const activation = await behaviour.activate();
    if (activation.kind === 'ready') {
      this.#behaviour = behaviour;
      return;
    }
    behaviour.dispose();
    this.#refuseAll(retryable(activation.reason));
  }

  /** A bug, or a state that cannot be built: said once with the ids, then begun again from the log (A3). */
  #fail(error: unknown): void {
    const { logger, name, clock, refuse } = this.#options;
    logger.error('actor_failed', { actor: name, error });
    this.#failuresMs.push(clock.monotonicMs());
    const unanswered = this.#behaviour?.unanswered() ?? [];
    this.#dispose();
    // Their append may have been on its way.
    for (const message of unanswered) refuse(message, unknownFate('actor failed'));
    this.#refuseAll(retryable('actor failed'));
  }

  #exhausted(): boolean {
    const { clock, restartsMax, restartWindowMs } = this.#options;
    const sinceMs = clock.monotonicMs() - restartWindowMs;
    this.#failuresMs = this.#failuresMs.filter((atMs) => atMs > sinceMs);
    return this.#failuresMs.length >= restartsMax;
  }

  #refuseAll(failure: Failure): void {
    this.#waitingSinceMs = undefined;
    for (const message of this.#mailbox.drain()) this.#options.refuse(message, failure);
  }

  #dispose(): void {
    this.#behaviour?.dispose();
    this.#behaviour = undefined;
  }
}
