/**
 * The connections of one process as one: it is connected while all of them are. Losing one is treated as losing all,
 * because what was on its way on the lost one is gone and the others cannot know what it was.
 */
import type { LaneStatus } from './broker.ts';

interface Link {
  status(): LaneStatus;
  onStatus(listener: (status: LaneStatus) => void): () => void;
}

export class LinkGroup {
  readonly #links: readonly Link[];
  readonly #listeners = new Set<(status: LaneStatus) => void>();
  #status: LaneStatus;

  constructor(links: readonly Link[]) {
    this.#links = links;
    this.#status = this.#combined();
    for (const link of links) link.onStatus(() => this.#update());
  }

  status(): LaneStatus {
    return this.#status;
  }

  onStatus(listener: (status: LaneStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #update(): void {
    const status = this.#combined();
    if (status === this.#status) return;
    this.#status = status;
    for (const listener of [...this.#listeners]) listener(status);
  }

  #combined(): LaneStatus {
    if (this.#links.some((link) => link.status() === 'closed')) return 'closed';
    return this.#links.every((link) => link.status() === 'connected') ? 'connected' : 'disconnected';
  }
}
