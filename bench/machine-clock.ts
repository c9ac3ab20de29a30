/**
 * Microseconds that mean the same in every process of one machine, so that one process can say when a message was due
 * and another how late it came. Each process's own monotonic clock starts somewhere else.
 *
 * Of another machine it is the clock of the coordinator's, by the offset that was measured (machines.ts).
 */
import type { Clock } from '../platform/clock.ts';

export type MachineClock = { nowUs(): number };

let toCoordinatorUs = 0;

/** From now on every MachineClock of this process is ahead of its own machine's by so much. */
export function useClockOffset(us: number): void {
  toCoordinatorUs = us;
}

/** Linux's and macOS's monotonic clock, read once; from then on the (cheaper) Clock, which runs at the same speed. */
export function machineClock(clock: Clock): MachineClock {
  const [seconds, nanoseconds] = process.hrtime();
  const offsetUs = seconds * 1e6 + nanoseconds / 1e3 - clock.monotonicMs() * 1e3;
  return { nowUs: () => clock.monotonicMs() * 1e3 + offsetUs + toCoordinatorUs };
}
