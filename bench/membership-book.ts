/**
 * Who of one load process's users is in which channel of a workspace. Users and channels are numbers in its lists.
 *
 * B1  A join or a leave is under way until the API has answered and the user's own socket has shown it; until then the
 *     user neither posts there nor loses its connection, so that what it must see there is known.
 * B2  Who lost its connection by the server's will while one was under way is unsure there, and is not used there again.
 */
import { assert } from '../platform/assert.ts';
import type { Rng } from '../platform/rng.ts';

export type MembershipChange = 'join' | 'leave';
type Seat = { readonly channel: number; readonly user: number };
type UnderWay = { readonly change: MembershipChange; answered: boolean; shown: boolean };

export class MembershipBook {
  readonly #members: number[][];
  readonly #underWay = new Map<string, UnderWay>();
  readonly #busy = new Map<number, number>();
  readonly #unsure = new Set<string>();
  /** Seats that were taken by a join, the oldest first: they are given up again. */
  readonly #joined: Seat[] = [];

  constructor(members: readonly (readonly number[])[]) {
    this.#members = members.map((users) => [...users]);
  }

  /** Joins and leaves under way. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Who is in the channel for certain. */
  members(channel: number): readonly number[] {
    return this.#members[channel] ?? [];
  }

  drawMember(channel: number, rng: Pick<Rng, 'int'>): number | undefined {
    const members = this.members(channel);
    return members.length === 0 ? undefined : members[rng.int(members.length)];
  }

  isBusy(user: number): boolean {
    return this.#busy.has(user);
  }

  isUnsure(channel: number, user: number): boolean {
    return this.#unsure.has(keyOf(channel, user));
  }

  canJoin(channel: number, user: number): boolean {
    const key = keyOf(channel, user);
    return !this.#underWay.has(key) && !this.#unsure.has(key) && !this.members(channel).includes(user);
  }

  /** The longest member of those that joined and are free to leave. */
  nextLeaver(isFree: (user: number) => boolean): Seat | undefined {
    return this.#joined.find(({ user }) => !this.isBusy(user) && isFree(user));
  }

  begin(change: MembershipChange, channel: number, user: number): void {
    const key = keyOf(channel, user);
    assert(!this.#underWay.has(key), 'membership-book/under-way', { channel, user });
    this.#underWay.set(key, { change, answered: false, shown: false });
    this.#busy.set(user, (this.#busy.get(user) ?? 0) + 1);
    if (change === 'leave') this.#remove(channel, user);
  }

  /** The API said that it is done. */
  answered(channel: number, user: number): void {
    const change = this.#underWay.get(keyOf(channel, user));
    if (change !== undefined) change.answered = true;
    this.#settle(channel, user);
  }

  /** The user's own socket got the event. */
  shown(channel: number, user: number): void {
    const change = this.#underWay.get(keyOf(channel, user));
    if (change !== undefined) change.shown = true;
    this.#settle(channel, user);
  }

  /** B2: all that is under way of a user. */
  abandon(user: number): void {
    for (const key of [...this.#underWay.keys()].filter((one) => one.endsWith(` ${user}`))) {
      this.#underWay.delete(key);
      this.#unsure.add(key);
    }
    this.#busy.delete(user);
  }

  #settle(channel: number, user: number): void {
    const key = keyOf(channel, user);
    const done = this.#underWay.get(key);
    if (done === undefined || !done.answered || !done.shown) return;
    this.#underWay.delete(key);
    const rest = (this.#busy.get(user) ?? 1) - 1;
    if (rest === 0) this.#busy.delete(user);
    else this.#busy.set(user, rest);
    if (done.change === 'leave') return;
    this.#members[channel]?.push(user);
    this.#joined.push({ channel, user });
  }

  #remove(channel: number, user: number): void {
    const members = this.#members[channel] ?? [];
    members.splice(members.indexOf(user), 1);
    const seat = this.#joined.findIndex((one) => one.channel === channel && one.user === user);
    if (seat >= 0) this.#joined.splice(seat, 1);
  }
}

function keyOf(channel: number, user: number): string {
  return `${channel} ${user}`;
}
