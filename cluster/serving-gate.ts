/**
 * Whether this worker may serve: only while it is sure that the cluster still counts on this incarnation.
 *
 * Invariants:
 * G1  Closed from the loss of any lane, and from noticing that the loop stood still, until a round trip begun after
 *     that confirmed the incarnation and the view.
 * G2  Noticing comes before serving: the loop's pulse is checked at each delivery too, since after a long sleep the
 *     waiting commands may be read before the first timer fires.
 * G3  An incarnation whose entry is gone is dead for good; `onEvicted` is called once.
 */
import type { Messaging } from '../broker/broker.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { Standing } from './own-node.ts';
import type { TableRead } from './table-follower.ts';

export interface ServingGateOptions {
  readonly commands: Messaging;
  readonly control: Messaging;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly standing: () => Promise<Standing>;
  readonly readTable: () => Promise<TableRead>;
  readonly onServing: (serving: boolean) => void;
  readonly onEvicted: () => void;
}

/** The pulse's period; a gap of it plus `loopStallMs` is a stall. */
const PULSE_MS = 50;

export class ServingGate {
  readonly #options: ServingGateOptions;
  #state: 'paused' | 'serving' | 'evicted' = 'paused';
  /** Counts the reasons to doubt; a confirmation begun under an older count confirms nothing (G1). */
  #doubts = 0;
  #confirming = false;
  #pulseMs = 0;
  #pulse: Timer | undefined;
  #stopListening: (() => void) | undefined;

  constructor(options: ServingGateOptions) {
    this.#options = options;
  }

  get serving(): boolean {
    return this.#state === 'serving';
  }

  start(): void {
    const { clock, control } = this.#options;
    this.#pulseMs = clock.monotonicMs();
    this.#pulse = clock.setInterval(() => this.#beat(), PULSE_MS);
    this.#stopListening = control.onStatus((status) => this.#doubt(`lane_${status}`));
    void this.#confirm();
  }

  stop(): void {
    this.#pulse?.cancel();
    this.#pulse = undefined;
    this.#stopListening?.();
  }

  /** G2: cheap enough for every command. */
  checkPulse(): void {
    if (this.#options.clock.monotonicMs() - this.#pulseMs > PULSE_MS + limits.loopStallMs) this.#beat();
  }

  /** Somebody says that we are dead: ask. */
  reconfirm(reason: string): void {
    this.#doubt(reason);
  }

  #beat(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const gapMs = nowMs - this.#pulseMs;
    this.#pulseMs = nowMs;
    if (gapMs > PULSE_MS + limits.loopStallMs) this.#doubt('loop_stalled', Math.round(gapMs));
  }

  #doubt(reason: string, gapMs?: number): void {
    if (this.#state === 'evicted' || this.#pulse === undefined) return;
    this.#doubts += 1;
    if (this.#state === 'serving') {
      this.#state = 'paused';
      this.#options.logger.warn('serving_paused', { reason, gapMs });
      this.#options.onServing(false);
    }
    void this.#confirm();
  }

  async #confirm(): Promise<void> {
    if (this.#confirming) return;
    this.#confirming = true;
    while (this.#state === 'paused' && this.#pulse !== undefined) {
      const doubts = this.#doubts;
      const standing = await this.#ask();
      // Stopped meanwhile: that our entry is gone is then our own doing.
      if (this.#pulse === undefined) break;
      if (standing === 'gone') this.#evicted();
      else if (standing === 'known' && doubts === this.#doubts) this.#resume();
      else if (standing !== 'known') await this.#options.clock.sleep(limits.confirmRetryMs);
    }
    this.#confirming = false;
  }

  /** All at once: whoever is paused keeps its channels waiting, and a busy machine takes its time for each round trip. */
  async #ask(): Promise<Standing> {
    const { commands, control, standing, readTable } = this.#options;
    const [known, table, ...flushed] = await Promise.all([
      standing(),
      readTable(),
      commands.flush(limits.controlRequestMs),
      control.flush(limits.controlRequestMs),
    ]);
    if (known !== 'known') return known;
    return table === 'read' && !flushed.includes(false) ? 'known' : 'unavailable';
  }

  #resume(): void {
    this.#state = 'serving';
    this.#options.logger.info('serving_confirmed');
    this.#options.onServing(true);
  }

  #evicted(): void {
    this.#state = 'evicted';
    this.stop();
    this.#options.onEvicted();
  }
}
