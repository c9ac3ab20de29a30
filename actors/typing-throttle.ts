/** Typing is told once per user and `typingMs`: it is at most once anyway (G9), and must never crowd messages out. */
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { UserId } from '../protocol/ids.ts';

export class TypingThrottle {
  readonly #clock: Clock;
  readonly #untilMs = new Map<UserId, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  allows(user: UserId): boolean {
    const nowMs = this.#clock.monotonicMs();
    if ((this.#untilMs.get(user) ?? 0) > nowMs) return false;
    if (this.#untilMs.size >= limits.typingUsersMax) this.#forget(nowMs);
    if (this.#untilMs.size >= limits.typingUsersMax) return false;
    this.#untilMs.set(user, nowMs + limits.typingMs);
    return true;
  }

  #forget(nowMs: number): void {
    for (const [user, untilMs] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(user);
  }
}
