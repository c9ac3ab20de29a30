/** A load process that posts to one channel at a steady rate for as long as something else lasts. */
import { systemClock } from '../platform/clock.ts';
import { serveLoad } from './load-server.ts';
import { machineClock } from './machine-clock.ts';
import { OpenLoopPoster, type PosterOptions, type PosterReport } from './open-loop-poster.ts';
import { runSchedule, Schedule } from './schedule.ts';

export type SteadyPoster = {
  /** From here on messages firstId, firstId + 1 … at `rate` a second, on one schedule until end(). */
  readonly begin: {
    readonly params: PosterOptions & { readonly rate: number; readonly firstId: number };
    readonly result: null;
  };
  /** Resolves when each has its answer. */
  readonly end: { readonly params: null; readonly result: PosterReport & { readonly posted: number } };
};

const machine = machineClock(systemClock);
let end: (() => Promise<SteadyPoster['end']['result']>) | undefined;

serveLoad<SteadyPoster>({
  begin({ rate, firstId, ...options }) {
    const poster = new OpenLoopPoster(options, systemClock);
    const schedule = new Schedule(machine.nowUs(), rate, Infinity);
    const over = runSchedule(systemClock, machine, schedule, (index, dueUs) => poster.post(firstId + index, dueUs));
    end = async () => {
      schedule.end();
      await over;
      return { ...(await poster.finish()), posted: schedule.taken };
    };
    return null;
  },
  end() {
    if (end === undefined) throw new Error('steady-poster: it has not begun');
    return end();
  },
});
