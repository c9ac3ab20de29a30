/**
 * The sides of the fan-out scenario take turns: one works, the servers of the others stand beside it with their sockets
 * open and nothing to do. What those use meanwhile is measured, since it is taken from the one that works.
 */
import type { Clock } from '../platform/clock.ts';
import type { Delivered } from './fanout-checks.ts';
import type { PeerSide } from './peer.ts';
import { cpuByRole, ProcessMeter, totalCpu } from './process-meter.ts';
import type { Measurement } from './scenario.ts';
import type { Stretch } from './stretch.ts';

export type TurnSide = Pick<PeerSide, 'processes' | 'run'>;

export type Turn = {
  readonly stretch: Stretch<Delivered>;
  /** Cores that the servers of the other sides used meanwhile; NaN where none of them is known. */
  readonly idleCores: number;
};

/** Measures each side for so long; in their order, or the other way round. The turns come back in the order of `sides`. */
export async function takeTurns(
  clock: Pick<Clock, 'monotonicMs'>,
  sides: readonly TurnSide[],
  seconds: number,
  backwards: boolean,
): Promise<Turn[]> {
  const turns = new Map<TurnSide, Turn>();
  for (const side of backwards ? sides.toReversed() : sides) {
    const idle = new ProcessMeter(sides.filter((other) => other !== side).flatMap((other) => other.processes()));
    const startMs = clock.monotonicMs();
    idle.start();
    const stretch = await side.run(seconds);
    const used = totalCpu(cpuByRole(idle.stop()));
    turns.set(side, { stretch, idleCores: (used * 1_000) / (clock.monotonicMs() - startMs) });
  }
  return sides.flatMap((side) => turns.get(side) ?? []);
}

export function idleBeside({ stretch: { subject }, idleCores }: Turn): Measurement {
  return { subject, name: 'CPU of the idle servers beside it', unit: 'cores', value: idleCores };
}
