/**
 * How long `belfry dev` waits before it starts a process again. Pure.
 *
 * R1  What was killed from outside, or died after a long life, is back after `restartDelayMs`.
 * R2  What ends by itself soon after its start, or before it was ready, waits twice as long each time: a process that
 *     cannot run must not eat the machine.
 */
import { limits } from '../platform/limits.ts';

export type Death = {
  readonly livedMs: number;
  readonly wasReady: boolean;
  /** It ended by a signal, not by its own decision. */
  readonly killed: boolean;
};

/** The number of failures in a row, this death included. */
export function failuresAfter(failures: number, death: Death): number {
  const failed = !death.wasReady || (!death.killed && death.livedMs < limits.restartStableMs);
  return failed ? failures + 1 : 0;
}

export function restartDelayMs(failures: number): number {
  const doublings = Math.max(0, Math.min(failures - 1, 16));
  return Math.min(limits.restartDelayMs * 2 ** doublings, limits.restartDelayMsMax);
}
