/** Who is in which channel of a made-up workspace, from a seed: the same plan for the same numbers. */
import type { Rng } from '../platform/rng.ts';

/**
 * Members of each channel as numbers of users, its creator first: users create in turn, channel `at` is made by user
 * `at` modulo `users`. The others are drawn at random, each once.
 */
export function planMembers(rng: Rng, users: number, sizes: readonly number[]): number[][] {
  const everybody = Array.from({ length: users }, (_, at) => at);
  return sizes.map((size, at) => {
    const creator = at % users;
    const others = drawDistinct(rng, everybody, Math.min(size, users)).filter((user) => user !== creator);
    return [creator, ...others.slice(0, Math.max(0, size - 1))];
  });
}

/** `count` of `pool`, each at most once; reorders the pool, which stays the same set. */
function drawDistinct(rng: Rng, pool: number[], count: number): number[] {
  for (let at = 0; at < count; at += 1) {
    const other = at + rng.int(pool.length - at);
    [pool[at], pool[other]] = [pool[other] ?? 0, pool[at] ?? 0];
  }
  return pool.slice(0, count);
}
