/**
 * The faults between simulated processes and the broker, drawn from the seed: what is lost, delayed, doubled; whose
 * connection is deaf or dumb for a while (a partition one way; TCP keeps what was sent and delivers it late).
 *
 * N1  What a TCP connection cannot lose by itself is not lost: subscriptions, their ends and drains only ever come late.
 */
import type { MemoryFate, MemoryHop } from '../../broker/memory-pipe.ts';
import type { Rng } from '../../platform/rng.ts';
import type { SimClock } from './sim-clock.ts';

/** Chances of one hop, 0 to 1. */
export interface Noise {
  readonly loss: number;
  readonly delay: number;
  readonly delayMsMax: number;
  readonly duplicate: number;
}

export const SILENCE: Noise = { loss: 0, delay: 0, delayMsMax: 0, duplicate: 0 };

type HopRule = (hop: MemoryHop) => boolean;

interface Stall {
  readonly matches: HopRule;
  readonly untilMs: number;
}

export class SimNetwork {
  readonly #clock: SimClock;
  readonly #rng: Rng;
  #noise: Noise = SILENCE;
  #stalls: Stall[] = [];
  #lossRules: HopRule[] = [];

  constructor(clock: SimClock, rng: Rng) {
    this.#clock = clock;
    this.#rng = rng;
  }

  readonly latencyMs = (): number => 0.1 + this.#rng.float() * 0.9;

  readonly fate = (hop: MemoryHop): MemoryFate => {
    const stalledMs = this.#stalledMs(hop);
    if (stalledMs > 0) return { delayMs: stalledMs };
    if (mayBeLost(hop) && this.#lossRules.some((isLost) => isLost(hop))) return 'drop';
    const { loss, delay, duplicate, delayMsMax } = this.#noise;
    if (this.#noise === SILENCE) return 'pass';
    const dice = this.#rng.float();
    if (dice < loss) return mayBeLost(hop) ? 'drop' : 'pass';
    if (dice < loss + delay) return { delayMs: this.#rng.float() * delayMsMax };
    if (dice < loss + delay + duplicate) return mayBeDoubled(hop) ? 'duplicate' : 'pass';
    return 'pass';
  };

  setNoise(noise: Noise): void {
    this.#noise = noise;
  }

  /** One direction of one process's connections stands still until then. */
  stall(incarnation: string, direction: MemoryHop['direction'], durationMs: number): void {
    this.hold((hop) => hop.incarnation === incarnation && hop.direction === direction, durationMs);
  }

  /** What matches, and what comes behind it on its connection, arrives then. */
  hold(matches: HopRule, durationMs: number): void {
    this.#stalls.push({ matches, untilMs: this.#clock.monotonicMs() + durationMs });
  }

  /** Loses what the rule says, as long as it is in force; returns the way to end it. */
  lose(isLost: HopRule): () => void {
    this.#lossRules.push(isLost);
    return () => (this.#lossRules = this.#lossRules.filter((rule) => rule !== isLost));
  }

  /** Everything passes again. Stalls that are under way have promised their end. */
  heal(): void {
    this.#noise = SILENCE;
    this.#lossRules = [];
  }

  #stalledMs(hop: MemoryHop): number {
    if (this.#stalls.length === 0) return 0;
    const nowMs = this.#clock.monotonicMs();
    this.#stalls = this.#stalls.filter(({ untilMs }) => untilMs > nowMs);
    const mine = this.#stalls.filter(({ matches }) => matches(hop));
    return mine.reduce((most, { untilMs }) => Math.max(most, untilMs - nowMs), 0);
  }
}

/** N1: control hops are subscriptions and their ends, but for round trips, which have no subject. */
function mayBeLost({ kind, subject }: MemoryHop): boolean {
  return kind !== 'control' || subject === '';
}

/** An append that is published twice finds its own record; a repeated command is answered from the log. */
function mayBeDoubled({ kind, direction }: MemoryHop): boolean {
  return kind === 'message' || (kind === 'append' && direction === 'to-server');
}
