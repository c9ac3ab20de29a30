/**
 * The connections of one process as one: it is connected while all of them are. Losing one is treated as losing all,
 * because what was on its way on the lost one is gone and the others cannot know what it was.
 */
import type { LaneStatus } from './broker.ts';
import type { NatsLink } from './nats-link.ts';

export class LinkGroup {
  readonly #links: readonly NatsLink[];
  readonly #listeners = new Set<(status: LaneStatus) => void>();
  #status: LaneStatus;

  constructor(links: readonly NatsLink[]) {
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
    return this.#links.every((link) => link.connected) ? 'connected' : 'disconnected';
  }
}
