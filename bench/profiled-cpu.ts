/** Measures a stretch of work: the servers' CPU by role, and their profiles where those are wanted. */
import { othersCpuSeconds } from './machine-cpu.ts';
import { CpuMeter, type CpuByRole, type RoleProcess } from './cpu-meter.ts';
import { Profiler } from './profiler.ts';
import { readProfile, summariseProfile } from './profile-report.ts';
import { formatNumber } from './table.ts';
import type { Detail, RunContext } from './scenario.ts';

export type Stretch<T> = {
  readonly result: T;
  readonly cpu: CpuByRole;
  readonly seconds: number;
  /** Cores that processes which are not ours used meanwhile. */
  readonly othersCores: number;
  readonly details: readonly Detail[];
  /** Processes that ended meanwhile: then the CPU figures are too small. */
  readonly failures: readonly string[];
};

const topFunctions = 25;
const noticeableCores = 0.1;

export async function measureStretch<T>(
  context: RunContext,
  processes: readonly RoleProcess[],
  work: () => Promise<T>,
): Promise<Stretch<T>> {
  const { clock, profileFolder } = context;
  const meter = new CpuMeter(processes);
  const profiler = profileFolder === undefined ? undefined : new Profiler(clock, profileFolder, processes);
  profiler?.start();
  const startMs = clock.monotonicMs();
  const others = othersCpuSeconds();
  meter.start();
  const result = await work();
  const cpu = meter.stop();
  const seconds = (clock.monotonicMs() - startMs) / 1_000;
  const othersCores = (othersCpuSeconds() - others) / seconds;
  const failures = meter.gone().map(({ role, pid }) => `a ${role} process (${pid}) ended during the run`);
  const profiles = profiler === undefined ? [] : await profiler.stop();
  return {
    result,
    cpu,
    seconds,
    othersCores,
    details: profiles.map(({ role, path }) => profileDetail(role, path)),
    failures,
  };
}

/** A note where others took a noticeable part of the machine. */
export function disturbanceNotes(stretches: readonly Pick<Stretch<unknown>, 'othersCores'>[]): string[] {
  const most = Math.max(...stretches.map(({ othersCores }) => othersCores));
  return most < noticeableCores ? [] : [`disturbed: other processes used ${formatNumber(most)} cores meanwhile`];
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
