/**
 * The roles that `belfry dev` runs, as processes: which ids, which ports, which flags, which user of the broker.
 *
 * The first webapp has the port that was asked for, gateways the next ones, further webapps those after them. Port 0
 * gives each any free one, which it then keeps over restarts.
 */
import { join } from 'node:path';
import type { NatsPasswords } from '../broker/nats-users.ts';
import type { LogLevel } from '../platform/logger.ts';
import type { ChildRole, ChildSpec } from './child-process.ts';
import { awaitReadyLine } from './ready-line.ts';

export type RolePlan = {
  readonly port: number;
  readonly webapps: number;
  readonly workers: number;
  readonly gateways: number;
  readonly rateLimits: string;
  readonly logLevel: LogLevel;
  readonly nats: readonly string[];
  readonly passwords: NatsPasswords;
  readonly env: Readonly<Record<string, string>>;
};

/** On a machine that is too busy a node may be taken for dead before it was ready; the next life finds it calmer. */
const startTries = 3;

type RoleName = Exclude<ChildRole, 'nats'>;

/** How many ports in a row are wanted, from the first webapp's on. */
export function publicPorts(plan: Pick<RolePlan, 'webapps' | 'gateways'>): number {
  return plan.webapps + plan.gateways;
}

export function roleSpecs(plan: RolePlan): ChildSpec[] {
  const { port, gateways } = plan;
  const webapp = (at: number) => (at === 0 || port === 0 ? port : port + gateways + at);
  const gateway = (at: number) => (port === 0 ? 0 : port + 1 + at);
  return [
    ...several(plan.workers, (at) => roleSpec(plan, 'worker', at, undefined, [])),
    ...several(gateways, (at) => roleSpec(plan, 'gateway', at, gateway(at), [])),
    ...several(plan.webapps, (at) => roleSpec(plan, 'webapp', at, webapp(at), ['--rate-limits', plan.rateLimits])),
  ];
}

function several(count: number, make: (at: number) => ChildSpec): ChildSpec[] {
  return Array.from({ length: count }, (_, at) => make(at));
}

function roleSpec(
  plan: RolePlan,
  role: RoleName,
  at: number,
  wantedPort: number | undefined,
  extra: readonly string[],
): ChildSpec {
  const id = `${role}-${at + 1}`;
  const entry = join(import.meta.dirname, 'belfry.js');
  const fixed = ['--enable-source-maps', entry, role, '--id', id, '--nats', plan.nats.join(',')];
  const flags = [...fixed, '--log-level', plan.logLevel, ...extra];
  return {
    role,
    id,
    command: process.execPath,
    args: (port) => (wantedPort === undefined ? flags : [...flags, '--port', String(port === 0 ? wantedPort : port)]),
    env: { ...plan.env, ...credentials(plan.passwords, role), BELFRY_SUPERVISED: '1' },
    watchesInput: true,
    startTries,
    whenReady: (child) => awaitReadyLine(child),
  };
}

/** Only the workers judge who is dead, and cut their connections: only they get the system account. */
function credentials(passwords: NatsPasswords, role: RoleName): Record<string, string> {
  const own = { BELFRY_NATS_USER: role, BELFRY_NATS_PASSWORD: passwords[role] };
  return role === 'worker' ? { ...own, BELFRY_NATS_SYS_USER: 'sys', BELFRY_NATS_SYS_PASSWORD: passwords.sys } : own;
}
