/**
 * What the growth scenario measures: along each axis a few points at which one number is larger and the work is the same.
 *
 * P1  Members: one channel, as many deliveries a second at each point, so fewer posts the more members it has.
 * P2  Channels: as many posts a second at each point, each to one of the active channels at random. All of them exist and
 *     have sessions from the start; active are those that are posted to.
 * P3  Gateways: one channel whose members' sessions are spread over them. Workers: channels spread over them.
 * P4  Points with the same servers share them, and the points of one axis a workspace where only the work differs.
 */
export const axisNames = ['members', 'channels', 'gateways', 'workers'] as const;
export type AxisName = (typeof axisNames)[number];

export type GrowthLimits = {
  readonly axes: readonly AxisName[];
  readonly membersMax: number;
  readonly channelsMax: number;
  readonly gatewaysMax: number;
  readonly workersMax: number;
  /** A second, where one channel is measured. */
  readonly deliveries: number;
  /** A second, where many channels are. */
  readonly posts: number;
  /** Of each of many channels. */
  readonly channelMembers: number;
};

export type Point = {
  readonly axis: AxisName;
  readonly value: number;
  readonly posts: number;
  readonly active: number;
};
export type PlannedWorkspace = {
  readonly name: string;
  readonly users: number;
  /** As in WorkspaceSpec. */
  readonly members: readonly (readonly number[])[];
  readonly points: readonly Point[];
};
export type Stage = {
  readonly workers: number;
  readonly gateways: number;
  readonly workspaces: readonly PlannedWorkspace[];
};

const decade = 10;
const serverStep = 4;
/** Members of the channel that is spread over gateways. */
const spreadMembers = 200;
/** Channels that are spread over workers. */
const spreadChannels = 100;
/** Half of what one user may be in. */
const channelsPerUserMax = 5_000;

/** The first stage has one of each server, and everything that needs no more. */
export function growthPlan(limits: GrowthLimits): Stage[] {
  const has = (axis: AxisName) => limits.axes.includes(axis);
  const gateways = has('gateways') ? steps(1, limits.gatewaysMax, serverStep) : [];
  const workers = has('workers') ? steps(1, limits.workersMax, serverStep) : [];
  const base = [
    ...(has('members') ? memberWorkspaces(limits) : []),
    ...(has('channels') ? [channelsWorkspace(limits)] : []),
    ...gateways.slice(0, 1).map((value) => spreadChannel(limits, value)),
    ...workers.slice(0, 1).map((value) => spreadOverWorkers(limits, value)),
  ];
  const stages = [
    { workers: 1, gateways: 1, workspaces: base },
    ...gateways.slice(1).map((value) => ({ workers: 1, gateways: value, workspaces: [spreadChannel(limits, value)] })),
    ...workers
      .slice(1)
      .map((value) => ({ workers: value, gateways: 1, workspaces: [spreadOverWorkers(limits, value)] })),
  ];
  return stages.filter(({ workspaces }) => workspaces.length > 0);
}

/** P1 */
function memberWorkspaces({ membersMax, deliveries }: GrowthLimits): PlannedWorkspace[] {
  return steps(Math.min(decade, membersMax), membersMax, decade).map((value) => {
    const points = [{ axis: 'members', value, posts: deliveries / value, active: 1 }] as const;
    return { name: `members-${value}`, ...oneChannel(value), points };
  });
}

/** P2 */
function channelsWorkspace({ channelsMax, channelMembers, posts }: GrowthLimits): PlannedWorkspace {
  const points = steps(1, channelsMax, decade).map((value) => {
    return { axis: 'channels', value, posts, active: value } as const;
  });
  return { name: 'channels', ...manyChannels(channelsMax, channelMembers), points };
}

/** P3 */
function spreadChannel({ deliveries }: GrowthLimits, value: number): PlannedWorkspace {
  const points = [{ axis: 'gateways', value, posts: deliveries / spreadMembers, active: 1 }] as const;
  return { name: 'gateways', ...oneChannel(spreadMembers), points };
}

/** P3 */
function spreadOverWorkers({ channelMembers, posts }: GrowthLimits, value: number): PlannedWorkspace {
  const points = [{ axis: 'workers', value, posts, active: spreadChannels }] as const;
  return { name: 'workers', ...manyChannels(spreadChannels, channelMembers), points };
}

function oneChannel(users: number) {
  return { users, members: [Array.from({ length: users }, (_, at) => at)] };
}

/** Users in groups; a channel is that of its creator's group. */
function manyChannels(channels: number, size: number) {
  const users = size * Math.ceil(channels / channelsPerUserMax);
  const members = Array.from({ length: channels }, (_, at) => {
    const creator = at % users;
    const first = creator - (creator % size);
    const group = Array.from({ length: size }, (__, seat) => first + seat);
    return [creator, ...group.filter((user) => user !== creator)];
  });
  return { users, members };
}

/** from, from x step … and at last `to` itself. */
function steps(from: number, to: number, step: number): number[] {
  const values: number[] = [];
  for (let value = from; value < to; value *= step) values.push(value);
  return [...values, to];
}
