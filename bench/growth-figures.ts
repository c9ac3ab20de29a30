/**
 * The cost of a delivery at each point of the growth scenario, and how it grows.
 *
 * C1  Cost is the CPU of all servers beyond what the same servers use while nobody says anything, by delivery: what a
 *     process costs by being there shows as `idle`, apart from it.
 * C2  Growth is the cost to the lowest one at a smaller value of the same axis: 1.3 says that a delivery became dearer by
 *     30 %; below 1 it became cheaper.
 */
import { LatencyHistogram } from './histogram.ts';
import { axisNames, type AxisName, type Point } from './growth-plan.ts';
import { totalCpu, type CpuByRole } from './process-meter.ts';
import type { Detail, Measurement } from './scenario.ts';
import type { Stretch } from './stretch.ts';
import { formatNumber } from './table.ts';
import type { Worked } from './workspace.ts';

export type Measured = {
  readonly point: Point;
  readonly posts: number;
  readonly deliveries: number;
  readonly seconds: number;
  /** CPU seconds beyond idle, by role (C1). */
  readonly cpu: CpuByRole;
  readonly idleCores: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

const growthMax = 1.3;
const roles = ['webapp', 'worker', 'nats', 'gateway'] as const;

/** `idle`: cores that each role uses while nothing happens. */
export function measuredOf(point: Point, stretch: Stretch<Worked>, idle: CpuByRole): Measured {
  const { seconds, cpu, result } = stretch;
  const { p50Ms, p99Ms } = LatencyHistogram.decode(result.latency).percentiles();
  const beyond = new Map([...cpu].map(([role, used]) => [role, used - (idle.get(role) ?? 0) * seconds]));
  const { deliveries, actions } = result;
  return { point, posts: actions.post.done, deliveries, seconds, cpu: beyond, idleCores: totalCpu(idle), p50Ms, p99Ms };
}

/** Microseconds of CPU per delivery. */
export function costUs({ cpu, deliveries }: Pick<Measured, 'cpu' | 'deliveries'>, only?: readonly string[]): number {
  return (totalCpu(cpu, only) * 1e6) / deliveries;
}

/** C2, one for each cost in the order of the axis; undefined for the first. */
export function growthOf(costs: readonly number[]): (number | undefined)[] {
  return costs.map((cost, at) => (at === 0 ? undefined : cost / Math.min(...costs.slice(0, at))));
}

export function growthMeasurements(all: readonly Measured[]): Measurement[] {
  return axes(all).flatMap(({ axis, rows, growth }) => rows.flatMap((row, at) => growthRows(axis, row, growth[at])));
}

export function growthTables(all: readonly Measured[]): Detail[] {
  return axes(all).map(({ axis, rows, growth }) => ({
    title: `${axis}: CPU per delivery, us; growth to the cheapest smaller one (goal ${growthMax})`,
    heads: [axis, 'posts/s', 'deliveries/s', 'us', 'growth', ...roles, 'idle cores', 'p50 ms', 'p99 ms'],
    aligns: Array.from({ length: 8 + roles.length }, () => 'right' as const),
    rows: rows.map((row, at) => tableRow(row, growth[at])),
  }));
}

function axes(all: readonly Measured[]) {
  const found = axisNames.filter((axis) => all.some(({ point }) => point.axis === axis));
  return found.map((axis) => {
    const rows = all.filter(({ point }) => point.axis === axis).toSorted((a, b) => a.point.value - b.point.value);
    return { axis, rows, growth: growthOf(rows.map((row) => costUs(row))) };
  });
}

function growthRows(subject: AxisName, row: Measured, growth: number | undefined): Measurement[] {
  const at = formatNumber(row.point.value);
  const cost = { subject, name: `${at}: CPU per delivery`, unit: 'us', value: costUs(row) };
  if (growth === undefined) return [cost];
  return [cost, { subject, name: `${at}: growth`, unit: 'x', value: growth, goal: { atMost: growthMax } }];
}

function tableRow(row: Measured, growth: number | undefined): string[] {
  const { point, posts, deliveries, seconds, idleCores, p50Ms, p99Ms } = row;
  const rates = [point.value, posts / seconds, deliveries / seconds, costUs(row)].map(formatNumber);
  const byRole = roles.map((role) => formatNumber(costUs(row, [role])));
  return [
    ...rates,
    growth === undefined ? '' : formatNumber(growth),
    ...byRole,
    ...[idleCores, p50Ms, p99Ms].map(formatNumber),
  ];
}
