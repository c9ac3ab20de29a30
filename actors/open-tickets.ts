/**
 * The commands of one slot that wait for their answer. A ticket knows its place here: a set, emptied and filled again by
 * every command, hashes and makes new tables all the time.
 */
import type { Ticket } from './answers.ts';

/** The place of a ticket that is in no list. */
export const NOWHERE = -1;

export class OpenTickets {
  readonly #tickets: Ticket[] = [];

  get size(): number {
    return this.#tickets.length;
  }

  add(ticket: Ticket): void {
    ticket.place = this.#tickets.length;
    this.#tickets.push(ticket);
  }

  /** False: it was not there. */
  remove(ticket: Ticket): boolean {
    const { place } = ticket;
    if (place === NOWHERE) return false;
    const last = this.#tickets.pop();
    if (last !== undefined && last !== ticket) {
      this.#tickets[place] = last;
      last.place = place;
    }
    ticket.place = NOWHERE;
    return true;
  }

  all(): readonly Ticket[] {
    return [...this.#tickets];
  }
}
