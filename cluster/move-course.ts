/**
 * The moves of a change under way. They are made a few at a time, each time after a look at the whole table; finding them
 * anew each time would stall the ring manager's loop a dozen times in one change, in code that seldom runs.
 *
 * M1  What is left of the moves is what a new assignment may be: the goal is the same, and no plan needs fewer moves from
 *     here, or the first one had not been the smallest (hash-table.ts, A1).
 * M2  As soon as the workers differ, or a slot is with somebody whom the moves do not give it to, all is assigned anew.
 */
import type { Incarnation } from '../protocol/ids.ts';
import { assign, type Candidate, type Move } from './hash-table.ts';

type Owners = readonly (Incarnation | undefined)[];

export class MoveCourse {
  #workers = '';
  #before: Owners = [];
  #goal: Owners = [];

  /** As `assign` gives them. */
  movesOf(owners: Owners, workers: readonly Candidate[]): readonly Move[] {
    const names = JSON.stringify(workers);
    const left = names === this.#workers ? this.#movesLeft(owners) : undefined;
    return left ?? this.#setOut(owners, workers, names);
  }

  /** Undefined: off the course (M2). */
  #movesLeft(owners: Owners): readonly Move[] | undefined {
    if (owners.length !== this.#goal.length) return undefined;
    const moves: Move[] = [];
    for (let slot = 0; slot < owners.length; slot += 1) {
      const from = owners[slot];
      const to = this.#goal[slot];
      if (from === to) continue;
      if (from !== this.#before[slot]) return undefined;
      if (to !== undefined) moves.push({ slot, from, to });
    }
    return moves;
  }

  #setOut(owners: Owners, workers: readonly Candidate[], names: string): readonly Move[] {
    const moves = assign(owners, workers);
    const goal = [...owners];
    for (const { slot, to } of moves) goal[slot] = to;
    this.#workers = names;
    this.#before = owners;
    this.#goal = goal;
    return moves;
  }
}
