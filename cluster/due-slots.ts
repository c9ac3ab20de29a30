/**
 * Slots that are to be looked at, some in each turn of the event loop: what is to be done about one costs a subscription or
 * more, and a take-over of thousands must not stall the loop.
 */
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';

export interface DueSlotsOptions<Task> {
  readonly clock: Pick<Clock, 'defer'>;
  /** What is to be done about the slot now; undefined: nothing, which costs next to nothing. */
  readonly look: (slot: number) => Task | undefined;
  readonly handle: (tasks: readonly Task[]) => void;
}

export class DueSlots<Task> {
  readonly #options: DueSlotsOptions<Task>;
  readonly #due = new Set<number>();
  #isDeferred = false;

  constructor(options: DueSlotsOptions<Task>) {
    this.#options = options;
  }

  /** For a later turn, or for `run`. */
  add(slot: number): void {
    this.#due.add(slot);
    this.#defer();
  }

  run(): void {
    const { look, handle } = this.#options;
    const tasks: Task[] = [];
    for (const slot of this.#due) {
      if (tasks.length === limits.slotStepsPerTurnMax) break;
      this.#due.delete(slot);
      const task = look(slot);
      if (task !== undefined) tasks.push(task);
    }
    handle(tasks);
    if (this.#due.size > 0) this.#defer();
  }

  #defer(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#options.clock.defer(() => {
      this.#isDeferred = false;
      if (this.#due.size > 0) this.run();
    });
  }
}
