/** The points that the growth scenario measures, and what it calls growth. */
import { describe, expect, it } from 'vitest';
import { costUs, growthMeasurements, growthOf, growthTables, type Measured } from '../../../bench/growth-figures.ts';
import { axisNames, growthPlan, type AxisName, type Stage } from '../../../bench/growth-plan.ts';

const most = {
  axes: axisNames,
  membersMax: 1_000,
  channelsMax: 1_000,
  gatewaysMax: 4,
  workersMax: 4,
  deliveries: 20_000,
  posts: 500,
  channelMembers: 4,
};

describe('growthPlan', () => {
  it('goes by decades, and to the largest value whatever it is', () => {
    const plan = growthPlan({ ...most, membersMax: 2_500 });
    expect(valuesOf(plan, 'members')).toEqual([10, 100, 1_000, 2_500]);
    expect(valuesOf(plan, 'channels')).toEqual([1, 10, 100, 1_000]);
    expect(valuesOf(plan, 'gateways')).toEqual([1, 4]);
    expect(valuesOf(plan, 'workers')).toEqual([1, 4]);
  });

  it('measures an axis at each of its numbers of servers, everything else at one of each', () => {
    const servers = growthPlan(most).map(({ workers, gateways, workspaces }) => ({
      servers: [workers, gateways],
      axes: [...new Set(workspaces.flatMap(({ points }) => points.map(({ axis }) => axis)))],
    }));
    expect(servers).toEqual([
      { servers: [1, 1], axes: ['members', 'channels', 'gateways', 'workers'] },
      { servers: [1, 4], axes: ['gateways'] },
      { servers: [4, 1], axes: ['workers'] },
    ]);
  });

  it('starts no servers for an axis that is not wanted', () => {
    expect(growthPlan({ ...most, axes: ['members'] })).toHaveLength(1);
    expect(valuesOf(growthPlan({ ...most, axes: ['members'] }), 'channels')).toEqual([]);
    expect(growthPlan({ ...most, axes: ['gateways'] })).toHaveLength(2);
  });

  it('keeps the deliveries of one channel the same, and the posts to many', () => {
    for (const { workspaces } of growthPlan(most)) {
      for (const { members, points } of workspaces) {
        for (const { axis, posts, active } of points) {
          const isOne = axis === 'members' || axis === 'gateways';
          expect(active).toBeLessThanOrEqual(members.length);
          expect(isOne ? posts * members[0]!.length : posts).toBe(isOne ? most.deliveries : most.posts);
        }
      }
    }
  });

  it('puts every channel of many into one group of users, who are in no more than they may', () => {
    const plan = growthPlan({ ...most, axes: ['channels'], channelsMax: 20_000 });
    const { users, members } = plan[0]!.workspaces[0]!;
    const seats = Array.from({ length: users }, () => 0);
    for (const [channel, group] of members.entries()) {
      expect(new Set(group).size).toBe(most.channelMembers);
      expect(group[0]).toBe(channel % users);
      for (const user of group) seats[user]! += 1;
    }
    expect(Math.max(...seats)).toBeLessThanOrEqual(5_000);
  });

  function valuesOf(plan: readonly Stage[], wanted: AxisName): number[] {
    const points = plan.flatMap(({ workspaces }) => workspaces.flatMap((workspace) => workspace.points));
    return points.filter(({ axis }) => axis === wanted).map(({ value }) => value);
  }
});

describe('growth', () => {
  it('is the cost to the lowest one before it', () => {
    expect(growthOf([4, 2, 3, 1])).toEqual([undefined, 0.5, 1.5, 0.5]);
  });

  it('judges every point but the first of its axis against the goal', () => {
    const rows = growthMeasurements([
      measured('members', 10, 1),
      measured('members', 100, 1.5),
      measured('workers', 1, 2),
    ]);
    expect(rows.map(({ subject, name, value, goal }) => [subject, name, value, goal])).toEqual([
      ['members', '10: CPU per delivery', 1_000, undefined],
      ['members', '100: CPU per delivery', 1_500, undefined],
      ['members', '100: growth', 1.5, { atMost: 1.3 }],
      ['workers', '1: CPU per delivery', 2_000, undefined],
    ]);
  });

  it('makes one table for each axis that was measured, its points in order', () => {
    const tables = growthTables([measured('members', 100, 1), measured('members', 10, 2)]);
    expect(tables).toHaveLength(1);
    expect(
      tables[0]!.rows.map(([value, posts, deliveries, us, growth]) => [value, posts, deliveries, us, growth]),
    ).toEqual([
      ['10', '50', '500', '2,000', ''],
      ['100', '50', '500', '1,000', '0.500'],
    ]);
    expect(tables[0]!.rows.every((row) => row.length === tables[0]!.heads.length)).toBe(true);
  });

  it('knows the share of a role', () => {
    expect(costUs(measured('members', 10, 1), ['gateway'])).toBe(250);
  });

  function measured(axis: AxisName, value: number, cpuSeconds: number): Measured {
    const cpu = new Map([
      ['gateway', cpuSeconds / 4],
      ['worker', (cpuSeconds * 3) / 4],
    ]);
    const point = { axis, value, posts: 50, active: 1 };
    return { point, posts: 100, deliveries: 1_000, seconds: 2, cpu, idleCores: 0.1, p50Ms: 1, p99Ms: 2 };
  }
});
