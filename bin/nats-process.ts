/**
 * The nats-servers of `belfry dev`: the repository's nats.conf, loopback, a store under the data folder; one node, or
 * three that are a cluster.
 *
 * N1  A server's client port is chosen once and kept over restarts: the roles' URLs stay right.
 * N2  It counts as ready when it wrote its ports file: then its listeners are up.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { passwordVariables, type NatsPasswords } from '../broker/nats-users.ts';
import type { Clock } from '../platform/clock.ts';
import type { ChildSpec } from './child-process.ts';
import { freePorts } from '../platform/free-port.ts';

export type NatsPlan = {
  readonly binary: string;
  readonly nodes: number;
  /** Where stores, logs and ports files go. */
  readonly folder: string;
  readonly root: string;
  readonly passwords: NatsPasswords;
  readonly env: Readonly<Record<string, string>>;
};

const loopback = '127.0.0.1';
const portsFilePollMs = 10;

/** The processes to start; all of them, before any is waited for: three servers need each other. */
export async function natsSpecs(plan: NatsPlan, clock: Clock): Promise<ChildSpec[]> {
  mkdirSync(plan.folder, { recursive: true, mode: 0o700 });
  removePortsFiles(plan.folder);
  const routePorts = plan.nodes > 1 ? await freePorts(plan.nodes) : [];
  return Array.from({ length: plan.nodes }, (_, at) =>
    natsSpec(plan, clock, `nats-${at + 1}`, routeFlags(routePorts, at)),
  );
}

export function natsUrl(port: number): string {
  return `nats://${loopback}:${port}`;
}

function natsSpec(plan: NatsPlan, clock: Clock, id: string, routes: readonly string[]): ChildSpec {
  const { folder, root } = plan;
  const fixed = ['-c', join(root, 'nats.conf'), '-n', id, '-a', loopback, '-sd', join(folder, id)];
  const files = ['-l', join(folder, `${id}.log`), '--ports_file_dir', folder];
  return {
    role: 'nats',
    id,
    command: plan.binary,
    args: (port) => [...fixed, ...files, ...routes, '-p', port === 0 ? '-1' : String(port)],
    env: { ...plan.env, ...passwordVariables(plan.passwords) },
    watchesInput: false,
    startTries: 1,
    whenReady: (child, over) => awaitPortsFile(child, folder, clock, over),
  };
}

function routeFlags(ports: readonly number[], own: number): string[] {
  if (ports.length === 0) return [];
  const routes = ports.map(natsUrl);
  return ['--cluster_name', 'belfry', '--cluster', routes[own] ?? '', '--routes', routes.join(',')];
}

async function awaitPortsFile(child: ChildProcess, folder: string, clock: Clock, over: AbortSignal): Promise<number> {
  child.stdout?.resume();
  for (;;) {
    const port = readPortsFile(folder, child.pid ?? 0);
    if (port !== undefined) return port;
    if (!(await clock.sleep(portsFilePollMs, over))) return new Promise(() => undefined);
  }
}

/** The file's name ends in the process's number; its prefix is the binary's name. */
function readPortsFile(folder: string, pid: number): number | undefined {
  const name = readdirSync(folder).find((file) => file.endsWith(`_${pid}.ports`));
  if (name === undefined) return undefined;
  const port = /nats:\/\/127\.0\.0\.1:(\d+)/.exec(readFileSync(join(folder, name), 'utf8'))?.[1];
  return port === undefined ? undefined : Number(port);
}

/** Left by servers that were killed; a process number that comes again must not find one. */
function removePortsFiles(folder: string): void {
  for (const name of readdirSync(folder)) if (name.endsWith('.ports')) rmSync(join(folder, name), { force: true });
}
