/** The load process of the failover scenario: posts to all of its channels in turn, and tells what became of them. */
import { systemClock } from '../platform/clock.ts';
import { readWholeHistory, type BenchChannel } from './bench-workspace.ts';
import { backAfterMs, pauseOf, type ChannelPause } from './channel-pauses.ts';
import { FailoverPoster } from './failover-poster.ts';
import { serveLoad } from './load-server.ts';
import { machineClock } from './machine-clock.ts';
import { runSchedule, Schedule } from './schedule.ts';

export type FailoverReport = {
  /** Of every acknowledged post: when it was due and when its acknowledgement came, in microseconds. */
  readonly dueUs: Float64Array;
  readonly ackedUs: Float64Array;
  readonly failures: readonly string[];
};

type Some = { readonly channels: readonly string[]; readonly fromUs: number };

export type FailoverLoad = {
  /** From here on, `rate` posts a second, whatever happens. */
  readonly begin: {
    readonly params: { readonly api: string; readonly channels: readonly BenchChannel[]; readonly rate: number };
    readonly result: null;
  };
  /** When each of the channels was back (channel-pauses.ts L1), in ms; waits for it. null: not in time. */
  readonly back: {
    readonly params: Some & { readonly decidedFromMs: number };
    readonly result: readonly (number | null)[];
  };
  /** The pause of each of the channels (L2); waits for posts that are under way. null: none is known. */
  readonly pauses: {
    readonly params: Some & { readonly toUs: number };
    readonly result: readonly (ChannelPause | null)[];
  };
  /** No more posts; resolves when every one has its acknowledgement and all of them were looked for in the log. */
  readonly end: { readonly params: null; readonly result: FailoverReport };
};

const backMs = 30_000;
const pollMs = 5;
const machine = machineClock(systemClock);
let api = '';
let channels: readonly BenchChannel[] = [];
let posters: readonly FailoverPoster[] = [];
let schedule: Schedule | undefined;
let posted: Promise<void> = Promise.resolve();

serveLoad<FailoverLoad>({
  begin(params) {
    ({ api, channels } = params);
    posters = channels.map((channel) => new FailoverPoster(api, channel, systemClock, machine));
    schedule = new Schedule(machine.nowUs(), params.rate, Infinity);
    posted = runSchedule(systemClock, machine, schedule, (index, dueUs) => {
      posters[index % posters.length]?.post(dueUs);
    });
    return null;
  },
  async back({ channels: ids, fromUs, decidedFromMs }) {
    const deadlineMs = systemClock.monotonicMs() + backMs;
    for (;;) {
      const waits = some(ids).map(({ acks }) => backAfterMs(acks, fromUs, decidedFromMs));
      if (!waits.includes(undefined) || systemClock.monotonicMs() > deadlineMs) return waits.map((ms) => ms ?? null);
      await systemClock.sleep(pollMs);
    }
  },
  pauses: ({ channels: ids, fromUs, toUs }) =>
    Promise.all(
      some(ids).map(async (poster) => {
        const whole = await poster.answered(toUs, backMs);
        return whole ? (pauseOf(poster.acks, fromUs, toUs) ?? null) : null;
      }),
    ),
  async end() {
    schedule?.end();
    await posted;
    const failures = (await Promise.all(posters.map((poster) => poster.finish()))).flat();
    for (const [at, poster] of posters.entries()) failures.push(...(await logFailures(poster, channels[at])));
    const acks = posters.flatMap((poster) => poster.acks);
    return {
      dueUs: Float64Array.from(acks, (ack) => ack.dueUs),
      ackedUs: Float64Array.from(acks, (ack) => ack.atUs),
      failures,
    };
  },
});

function some(ids: readonly string[]): FailoverPoster[] {
  return ids.flatMap((id) => posters.filter(({ channel }) => channel === id));
}

async function logFailures(poster: FailoverPoster, channel: BenchChannel | undefined): Promise<string[]> {
  return channel === undefined ? [] : poster.checkLog(await readWholeHistory(api, channel));
}
