/** The in-memory server's subscriptions: who gets a message. One member of each queue group, picked by the Rng. */
import type { Rng } from '../platform/rng.ts';
import type { BrokerMessage } from './broker.ts';
import type { MemoryLink } from './memory-link.ts';
import { subjectMatches } from './subject-match.ts';

export interface MemorySubscriber {
  readonly link: MemoryLink;
  readonly subject: string;
  readonly queue: string | undefined;
  readonly receive: (message: BrokerMessage) => void;
}

export class MemoryRouter {
  readonly #rng: Rng;
  readonly #subscribers = new Set<MemorySubscriber>();

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  add(subscriber: MemorySubscriber): void {
    this.#subscribers.add(subscriber);
  }

  remove(subscriber: MemorySubscriber): void {
    this.#subscribers.delete(subscriber);
  }

  removeAllOf(link: MemoryLink): void {
    for (const subscriber of this.#subscribers) if (subscriber.link === link) this.#subscribers.delete(subscriber);
  }

  publish(from: MemoryLink, subject: string, data: Uint8Array, reply: string | undefined): void {
    const receivers = this.#receiversOf(subject);
    if (receivers.length === 0 && reply !== undefined) return this.#answerNobody(from, reply);
    const message = { subject, data, reply, noResponders: false };
    for (const { link, receive } of receivers) link.toClient('message', subject, () => receive(message));
  }

  /** The server's own answer goes to the connection that asked, and to no other. */
  #answerNobody(from: MemoryLink, subject: string): void {
    const message = { subject, data: new Uint8Array(0), reply: undefined, noResponders: true };
    for (const subscriber of this.#subscribers) {
      if (subscriber.link !== from || !subjectMatches(subscriber.subject, subject)) continue;
      from.toClient('message', subject, () => subscriber.receive(message));
    }
  }

  #receiversOf(subject: string): MemorySubscriber[] {
    const plain: MemorySubscriber[] = [];
    const groups = new Map<string, MemorySubscriber[]>();
    for (const subscriber of this.#subscribers) {
      if (!subjectMatches(subscriber.subject, subject)) continue;
      if (subscriber.queue === undefined) plain.push(subscriber);
      else groups.set(subscriber.queue, [...(groups.get(subscriber.queue) ?? []), subscriber]);
    }
    for (const members of groups.values()) plain.push(...members.slice(0, 1).map(() => this.#oneOf(members)));
    return plain;
  }

  #oneOf(members: readonly MemorySubscriber[]): MemorySubscriber {
    return members[this.#rng.int(members.length)] as MemorySubscriber;
  }
}
