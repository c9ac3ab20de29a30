/**
 * What happened in one simulated history, and the first thing that must not have: readable, with virtual time, the
 * process and the stream that a line is about.
 */
import type { Logger, LogFields } from '../../platform/logger.ts';
import type { SimClock } from './sim-clock.ts';

interface Line {
  readonly atMs: number;
  readonly node: string;
  readonly event: string;
  /** A stream's id, or `slot <n>`; undefined: about the process as a whole. */
  readonly about: string | undefined;
  readonly detail: string;
}

const LINES_SHOWN = 400;

export class SimulationFailure extends Error {
  override readonly name = 'SimulationFailure';
}

export class SimHistory {
  readonly #clock: SimClock;
  readonly #seed: number | string;
  readonly #lines: Line[] = [];
  readonly counts = new Map<string, number>();
  #failure: { readonly what: string; readonly about: readonly string[] } | undefined;

  constructor(clock: SimClock, seed: number | string) {
    this.#clock = clock;
    this.#seed = seed;
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  note(node: string, event: string, about: string | undefined, detail = ''): void {
    this.#lines.push({ atMs: this.#clock.monotonicMs(), node, event, about, detail });
    this.saw(event);
  }

  /** Counts what would make too many lines. */
  saw(event: string): void {
    this.counts.set(event, (this.counts.get(event) ?? 0) + 1);
  }

  /** The first violation ends the history: what follows it proves nothing. */
  violate(rule: string, detail: string, ...about: string[]): void {
    if (this.#failure !== undefined) return;
    this.#failure = { what: `${rule}: ${detail}`, about };
    this.note('checker', rule, about[0], detail);
  }

  /** @throws SimulationFailure with the seed and the lines that matter. */
  check(): void {
    if (this.#failure === undefined) return;
    throw new SimulationFailure(`seed ${this.#seed}: ${this.#failure.what}\n${this.print(this.#failure.about)}`);
  }

  /** Lines about these streams and slots, and about processes as a whole; the newest ones. */
  print(about: readonly string[] = []): string {
    const wanted = this.#lines.filter((line) => {
      return line.about === undefined || about.length === 0 || about.includes(line.about);
    });
    const shown = wanted.slice(-LINES_SHOWN).map(({ atMs, node, event, about: of = '', detail }) => {
      return `${atMs.toFixed(1).padStart(9)}  ${node.padEnd(14)} ${event.padEnd(18)} ${of.padEnd(10)} ${detail}`;
    });
    return shown.join('\n');
  }

  /** A process's logger: from `info` up it tells the history; what names a bug ends it. */
  logger(node: string, onEvent: (event: string) => void = () => {}): Logger {
    const say = (event: string, fields: LogFields = {}): void => {
      this.note(node, event, undefined, textOf(fields));
      onEvent(event);
    };
    const fail = (event: string, fields: LogFields = {}): void => {
      say(event, fields);
      if (BUGS.has(event)) this.violate('no process finds a bug in itself', `${node} ${event} ${textOf(fields)}`);
    };
    const quiet = (): void => {};
    const logger: Logger = {
      trace: quiet,
      debug: quiet,
      info: say,
      warn: say,
      error: fail,
      fatal: fail,
      traces: false,
      child: () => logger,
    };
    return logger;
  }
}

const BUGS: ReadonlySet<string> = new Set(['actor_failed', 'log_broken', 'log_unusable', 'log_empty_under_snapshot']);

function textOf(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([name]) => name !== 'incarnation')
    .map(([name, value]) => `${name}=${value instanceof Error ? value.stack : JSON.stringify(value)}`)
    .join(' ');
}
