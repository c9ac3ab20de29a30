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
    if (names !== this.#workers || !this.#isOnCourse(owners)) this.#setOut(owners, workers, names);
    const moves: Move[] = [];
    for (const [slot, to] of this.#goal.entries()) {
      if (to !== undefined && to !== owners[slot]) moves.push({ slot, from: owners[slot], to });
    }
    return moves;
  }

  #isOnCourse(owners: Owners): boolean {
    const [before, goal] = [this.#before, this.#goal];
    return (
      owners.length === goal.length && owners.every((owner, slot) => owner === goal[slot] || owner === before[slot])
    );
  }

  #setOut(owners: Owners, workers: readonly Candidate[], names: string): void {
    const goal = [...owners];
    for (const { slot, to } of assign(owners, workers)) goal[slot] = to;
    this.#workers = names;
    this.#before = owners;
    this.#goal = goal;
  }
}
