/**
 * Measures a stretch of work: the servers' CPU and memory by process, latency by hop and waits in queues, the load's own
 * CPU and lag, how the rate went, and the servers' profiles where those are wanted.
 *
 * R1  What is read while it lasts (counts, memory) is read twice a second, so it costs nothing that shows.
 * R2  A process that ends meanwhile makes the stretch fail: its CPU is not counted whole. Where processes are killed on
 *     purpose (`successors`) that is no failure; what one used in its last half second is then not counted.
 */
import { HopMeter, type Inside } from './hop-meter.ts';
import { liveLine } from './live-line.ts';
import { readMachineCpu } from './machine-cpu.ts';
import { cpuByRole, ProcessMeter, type CpuByRole, type ProcessUse, type RoleProcess } from './process-meter.ts';
import { Profiler } from './profiler.ts';
import { readProfile, summariseProfile } from './profile-report.ts';
import { RateMeter, type RatePoint } from './rate-meter.ts';
import type { ClientUse } from './self-meter.ts';
import { formatNumber } from './table.ts';
import type { Detail, RunContext } from './scenario.ts';

/** Load processes that are to be watched: a LoadGroup, or a part of one. */
export type WatchedLoad = { beginWatch(): Promise<void>; endWatch(): Promise<readonly ClientUse[]> };

/** What is measured together. */
export type Side = {
  /** `belfry`, or the peer's name. */
  readonly subject: string;
  /** Its servers, as far as they are on this machine. */
  readonly processes: readonly RoleProcess[];
  /** Where some of them are killed and started again: those that run now (R2). Hops are not measured there. */
  readonly successors?: () => readonly RoleProcess[];
  readonly load?: readonly WatchedLoad[];
  /** Something that grows: `deliveries`, `posts`. */
  readonly progress?: { readonly noun: string; count(): Promise<number> };
};

export type Stretch<T> = Inside & {
  readonly subject: string;
  readonly result: T;
  readonly cpu: CpuByRole;
  readonly processes: readonly ProcessUse[];
  readonly clients: readonly ClientUse[];
  readonly rate: { readonly noun: string; readonly points: readonly RatePoint[] } | undefined;
  readonly seconds: number;
  /** Cores that processes used meanwhile which are neither ours nor known servers. */
  readonly othersCores: number;
  /** Cores of this machine that servers, load and harness used. */
  readonly ownCores: number;
  readonly details: readonly Detail[];
  /** R2 */
  readonly failures: readonly string[];
};

const topFunctions = 25;
const lookEveryMs = 500;

export async function measureStretch<T>(context: RunContext, side: Side, work: () => Promise<T>): Promise<Stretch<T>> {
  const { clock, profileFolder } = context;
  const { subject, processes, successors, load = [], progress } = side;
  const meter = new ProcessMeter(processes, successors);
  const profiler = profileFolder === undefined ? undefined : new Profiler(clock, profileFolder, processes);
  const hopMeter = new HopMeter(successors === undefined ? processes : []);
  await hopMeter.start();
  profiler?.start();
  await Promise.all(load.map((one) => one.beginWatch()));
  const startMs = clock.monotonicMs();
  const pids = processes.map(({ pid }) => pid);
  const before = readMachineCpu(pids);
  meter.start();
  const looker = startLooking(context, side, meter);
  try {
    const result = await work();
    const uses = meter.stop();
    const seconds = (clock.monotonicMs() - startMs) / 1_000;
    const { ownSeconds, othersSeconds } = readMachineCpu(pids);
    const ownCores = (ownSeconds - before.ownSeconds) / seconds;
    const othersCores = (othersSeconds - before.othersSeconds) / seconds;
    const inside = await hopMeter.stop();
    const clients = (await Promise.all(load.map((one) => one.endWatch()))).flat();
    const failures = meter.gone().map(({ role, pid }) => `a ${role} process (${pid}) ended during the run`);
    const profiles = profiler === undefined ? [] : await profiler.stop();
    return {
      ...{ subject, result, seconds, ...inside, clients, othersCores, ownCores, failures },
      processes: uses,
      cpu: cpuByRole(uses),
      rate: progress === undefined ? undefined : { noun: progress.noun, points: looker.points() },
      details: profiles.map(({ role, path }) => profileDetail(role, path)),
    };
  } finally {
    looker.stop();
  }
}

/** R1 */
function startLooking(context: RunContext, { subject, progress }: Side, meter: ProcessMeter) {
  const { clock } = context;
  const rate = new RateMeter(clock);
  const look = async (): Promise<void> => {
    meter.sample();
    if (progress === undefined) return;
    const count = await progress.count();
    rate.add(count);
    context.progress.show(liveLine({ subject, noun: progress.noun, count, seconds: context.seconds }, rate.points()));
  };
  let looking = false;
  const timer = clock.setInterval(() => {
    // Load that is too busy to answer is asked again when it has.
    if (looking) return;
    looking = true;
    void look()
      .catch(() => undefined)
      .finally(() => (looking = false));
  }, lookEveryMs);
  return { points: () => rate.points(), stop: () => timer.cancel() };
}

function profileDetail(role: string, path: string): Detail {
  const { busyMs, idleMs, top } = summariseProfile(readProfile(path), topFunctions);
  const busy = formatNumber((busyMs / (busyMs + idleMs)) * 100);
  return {
    title: `${role} (${path}): busy ${busy} %; self time as a share of that`,
    heads: ['function', 'ms', '%'],
    aligns: ['left', 'right', 'right'],
    rows: top.map(({ place, ms, share }) => [place, formatNumber(ms), formatNumber(share * 100)]),
  };
}
