/**
 * The in-memory server's subscriptions: who gets a message. One member of each queue group, picked by the Rng.
 *
 * R1  Receivers come in the order in which they subscribed, so that one seed is one history.
 */
import type { Rng } from '../platform/rng.ts';
import type { BrokerMessage } from './broker.ts';
import type { MemoryLink } from './memory-link.ts';
import { isPattern, subjectMatches } from './subject-match.ts';

export interface MemorySubscriber {
  readonly link: MemoryLink;
  readonly subject: string;
  readonly queue: string | undefined;
  readonly receive: (message: BrokerMessage) => void;
}

/** Each with its number in the order of subscribing. */
type Numbered = Map<MemorySubscriber, number>;

export class MemoryRouter {
  readonly #rng: Rng;
  /** By subject: most subscriptions are to a plain one, and a simulation publishes millions of messages. */
  readonly #plain = new Map<string, Numbered>();
  readonly #patterns: Numbered = new Map();
  #last = 0;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  add(subscriber: MemorySubscriber): void {
    const { subject } = subscriber;
    const place = isPattern(subject) ? this.#patterns : (this.#plain.get(subject) ?? new Map());
    if (place !== this.#patterns) this.#plain.set(subject, place);
    this.#last += 1;
    if (!place.has(subscriber)) place.set(subscriber, this.#last);
  }

  remove(subscriber: MemorySubscriber): void {
    const { subject } = subscriber;
    const place = isPattern(subject) ? this.#patterns : this.#plain.get(subject);
    place?.delete(subscriber);
    if (place?.size === 0) this.#plain.delete(subject);
  }

  removeAllOf(link: MemoryLink): void {
    for (const place of [this.#patterns, ...this.#plain.values()]) {
      for (const subscriber of place.keys()) if (subscriber.link === link) this.remove(subscriber);
    }
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
    for (const subscriber of this.#matching(subject)) {
      if (subscriber.link === from) from.toClient('message', subject, () => subscriber.receive(message));
    }
  }

  #receiversOf(subject: string): MemorySubscriber[] {
    const plain: MemorySubscriber[] = [];
    const groups = new Map<string, MemorySubscriber[]>();
    for (const subscriber of this.#matching(subject)) {
      if (subscriber.queue === undefined) plain.push(subscriber);
      else groups.set(subscriber.queue, [...(groups.get(subscriber.queue) ?? []), subscriber]);
    }
    for (const members of groups.values()) plain.push(...members.slice(0, 1).map(() => this.#oneOf(members)));
    return plain;
  }

  /** R1 */
  #matching(subject: string): MemorySubscriber[] {
    const found = [...(this.#plain.get(subject) ?? [])];
    for (const numbered of this.#patterns) if (subjectMatches(numbered[0].subject, subject)) found.push(numbered);
    return found.sort(([, a], [, b]) => a - b).map(([subscriber]) => subscriber);
  }

  #oneOf(members: readonly MemorySubscriber[]): MemorySubscriber {
    return members[this.#rng.int(members.length)] as MemorySubscriber;
  }
}
