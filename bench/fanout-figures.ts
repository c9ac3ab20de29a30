/**
 * What a stretch of fan-out says: rates, cost, latency; and how Belfry's compares with a peer's.
 *
 * C1  `deliveries per CPU-second` counts the CPU of server processes only, as the operating system does. `all servers` is
 *     every process of the side; `fan-out path` leaves out those that take the posts in over HTTP and only that.
 * C2  A ratio compares like with like: path with path, all with all. A peer that takes in nothing over HTTP (nats, uws) is
 *     all path; its goal is about Belfry's path. The goal of socket.io-redis, which does, is about all servers.
 * C3  A ratio of saturated servers counts only where Belfry's p99 latency of the same run is within the bound.
 */
import type { Delivered } from './fanout-checks.ts';
import { LatencyHistogram } from './histogram.ts';
import { totalCpu } from './process-meter.ts';
import { lightWaitGoal, queueSums } from './queue-waits.ts';
import type { Measurement } from './scenario.ts';
import type { Stretch } from './stretch.ts';
import { saturatedP99MsMax } from './sustained-rate.ts';

/** Rates up to this are light load: messages come one by one, and nothing can be gathered. */
const lightRateMax = 50;

/** Deliveries a second up to which the latency has a goal of its own. */
const easyDeliveriesMax = 100_000;
const easyLatencyMs = { p50: 5, p99: 25 } as const;

/** Deliveries a second that fill this harness's machines: judged as saturated, at whatever rate was asked for. */
const fullDeliveriesMin = 1_000_000;

/** What was asked of every side. */
export type Load = { readonly rate: number; readonly sockets: number; readonly saturate: boolean };

type Compared = 'fan-out path' | 'all servers';
type RatioGoal = { readonly of: Compared; readonly light?: number; readonly saturated: number };

/** C2 */
const ratioGoals: Readonly<Record<string, RatioGoal>> = {
  'socket.io-redis': { of: 'all servers', light: 2.2, saturated: 12 },
  nats: { of: 'fan-out path', saturated: 1.3 },
  uws: { of: 'fan-out path', light: 0.9, saturated: 0.85 },
  'uws-wide': { of: 'fan-out path', light: 0.9, saturated: 0.85 },
};

/** Take the posts in, which is no part of the fan-out path (C1). */
const ingressRoles = ['webapp', 'supervisor', 'http'];

type Figures = { readonly deliveries: number; readonly pathCpu: number; readonly allCpu: number };

function figuresOf({ result, cpu }: Stretch<Delivered>): Figures {
  const deliveries = result.reports.reduce((sum, report) => sum + report.deliveries, 0);
  const path = [...cpu.keys()].filter((role) => !ingressRoles.includes(role));
  return { deliveries, pathCpu: totalCpu(cpu, path), allCpu: totalCpu(cpu) };
}

export function latencyOf({ result }: Stretch<Delivered>): LatencyHistogram {
  return LatencyHistogram.merged(result.reports.map((report) => report.latency));
}

export function measure(stretch: Stretch<Delivered>, load: Load): Measurement[] {
  const { subject, seconds } = stretch;
  const { deliveries, pathCpu, allCpu } = figuresOf(stretch);
  const reads = stretch.result.reports.reduce((sum, report) => sum + report.reads, 0);
  const { p50Ms, p99Ms } = latencyOf(stretch).percentiles();
  const perSecond: Measurement[] = [
    { subject, name: 'messages offered', unit: '/s', value: stretch.result.rate },
    { subject, name: 'deliveries', unit: '/s', value: deliveries / seconds },
    { subject, name: 'deliveries per CPU-second, fan-out path', unit: '', value: deliveries / pathCpu },
  ];
  if (allCpu !== pathCpu) {
    perSecond.push({ subject, name: 'deliveries per CPU-second, all servers', unit: '', value: deliveries / allCpu });
  }
  return [
    ...perSecond,
    { subject, name: 'messages per read of a socket', unit: '', value: deliveries / reads },
    { subject, name: 'latency p50', unit: 'ms', value: p50Ms, ...latencyGoal(subject, load, 'p50') },
    { subject, name: 'latency p99', unit: 'ms', value: p99Ms, ...latencyGoal(subject, load, 'p99') },
    ...queueSums(subject, stretch.queues, load.rate <= lightRateMax ? lightWaitGoal : undefined),
  ];
}

/** The bound of a saturated figure, every side's; and what is wanted of Belfry at loads that leave room. */
function latencyGoal(subject: string, load: Load, percentile: 'p50' | 'p99'): Pick<Measurement, 'goal'> {
  if (isSaturated(load)) return percentile === 'p99' ? { goal: { atMost: saturatedP99MsMax } } : {};
  const isEasy = subject === 'belfry' && load.rate * load.sockets <= easyDeliveriesMax;
  return isEasy ? { goal: { atMost: easyLatencyMs[percentile] } } : {};
}

function isSaturated({ rate, sockets, saturate }: Load): boolean {
  return saturate || rate * sockets >= fullDeliveriesMin;
}

export function ratios(belfry: Stretch<Delivered>, peer: Stretch<Delivered>, load: Load): Measurement[] {
  const [mine, theirs] = [figuresOf(belfry), figuresOf(peer)];
  const goal = ratioGoals[peer.subject];
  const bought = isSaturated(load) && latencyOf(belfry).percentiles().p99Ms > saturatedP99MsMax;
  const row = (of: Compared, value: number): Measurement => {
    const plain = { subject: 'ratio', name: `belfry : ${peer.subject}, ${of}`, unit: 'x', value, bought };
    const atLeast = goal?.of === of ? goalAt(goal, load) : undefined;
    return atLeast === undefined ? plain : { ...plain, goal: { atLeast } };
  };
  const perCpu = mine.deliveries / theirs.deliveries;
  return [
    row('fan-out path', (perCpu * theirs.pathCpu) / mine.pathCpu),
    row('all servers', (perCpu * theirs.allCpu) / mine.allCpu),
  ];
}

function goalAt(goal: RatioGoal, load: Load): number | undefined {
  if (isSaturated(load)) return goal.saturated;
  return load.rate <= lightRateMax ? goal.light : undefined;
}
