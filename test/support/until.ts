/** Waiting for a condition, which is what tests do instead of sleeping. */
import { setTimeout as wait } from 'node:timers/promises';

const usualPollMs = 20;

/** Resolves with the first value that is neither undefined nor false; rejects after the deadline with what was waited for. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 15_000,
  pollMs = usualPollMs,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`waited ${deadlineMs} ms for ${what}`);
    await wait(pollMs);
  }
}
