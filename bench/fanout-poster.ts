/** The load process of the fan-out scenario that posts. */
import { systemClock } from '../platform/clock.ts';
import { serveLoad } from './load-server.ts';
import { machineClock } from './machine-clock.ts';
import { OpenLoopPoster, type PosterOptions, type PosterReport } from './open-loop-poster.ts';
import { runSchedule, Schedule } from './schedule.ts';

export type FanoutPoster = {
  /** Posts messages firstId, firstId + 1 … at `rate` a second; resolves when each has its answer. */
  readonly post: {
    readonly params: PosterOptions & { readonly rate: number; readonly count: number; readonly firstId: number };
    readonly result: PosterReport;
  };
};

const machine = machineClock(systemClock);

serveLoad<FanoutPoster>({
  async post({ rate, count, firstId, ...options }) {
    const poster = new OpenLoopPoster(options, systemClock);
    const schedule = new Schedule(machine.nowUs(), rate, count);
    await runSchedule(systemClock, machine, schedule, (index, dueUs) => poster.post(firstId + index, dueUs));
    return poster.finish();
  },
});
