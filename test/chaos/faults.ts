/**
 * What is done to the cluster. Each fault picks its victim, does its harm, and resolves when that is over: processes
 * that died may still be on their way back, which is for the cluster to bear.
 *
 * F1  A fault leaves alone what the cluster cannot do without: one more of the victim's role has to be running.
 * F2  Nothing stays frozen or cut when a fault has resolved.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Rng } from '../../platform/rng.ts';
import { until } from '../support/until.ts';
import { proxiedId, type ChaosCluster, type ChaosRole, type Victim } from './chaos-cluster.ts';
import type { Direction } from '../support/tcp-proxy.ts';
import type { Recorder } from './recorder.ts';

export interface FaultContext {
  readonly cluster: ChaosCluster;
  readonly recorder: Recorder;
  readonly rng: Rng;
}
export interface FaultKind {
  readonly name: string;
  /** How often it is drawn against the others. */
  readonly weight: number;
  /** False: nothing was there to be harmed (F1). */
  run(context: FaultContext): Promise<boolean>;
}

/** A restarted process is ready well within this, also on a busy machine. */
const backMs = 30_000;

const kill = (role: ChaosRole, weight: number): FaultKind => ({
  name: `kill ${role}`,
  weight,
  run: (context) => harm(context, role, `kill`, (victim) => void context.cluster.signal(victim, 'SIGKILL')),
});

const drain = (role: ChaosRole, weight: number): FaultKind => ({
  name: `drain ${role}`,
  weight,
  run: (context) =>
    harm(context, role, 'drain', async (victim) => {
      context.cluster.signal(victim, 'SIGTERM');
      await until(
        `${victim.id} to be gone`,
        () => !context.cluster.running(role).some(({ pid }) => pid === victim.pid),
      );
    }),
});

const freeze = (role: ChaosRole, weight: number, fromMs: number, toMs: number): FaultKind => ({
  name: `freeze ${role} for ${fromMs} to ${toMs} ms`,
  weight,
  run: (context) => {
    const forMs = fromMs + context.rng.int(toMs - fromMs);
    return harm(context, role, `freeze for ${forMs} ms:`, async (victim) => {
      context.cluster.signal(victim, 'SIGSTOP');
      await wait(forMs);
      context.cluster.signal(victim, 'SIGCONT');
    });
  },
});

const cut = (name: string, weight: number, ...directions: readonly Direction[]): FaultKind => ({
  name: `cut ${name}`,
  weight,
  run: (context) => {
    const forMs = 300 + context.rng.int(2_500);
    return disturb(context, `cut ${name} for ${forMs} ms`, forMs, () => context.cluster.proxy?.cut(...directions));
  },
});

const slow: FaultKind = {
  name: 'slow network',
  weight: 1,
  run: (context) => {
    const [delayMs, forMs] = [5 + context.rng.int(60), 1_000 + context.rng.int(2_000)];
    const slowness = { delayMs, bytesPerSecond: 200_000 };
    const what = `slow network (${delayMs} ms) for ${forMs} ms`;
    return disturb(context, what, forMs, () => context.cluster.proxy?.slow(slowness));
  },
};

/** All of them; `freeze … for 150 to 400 ms` is a stalled loop, the longer ones outlast the eviction. */
export const faultKinds: readonly FaultKind[] = [
  kill('worker', 4),
  freeze('worker', 2, 1_500, 3_000),
  freeze('worker', 2, 150, 400),
  drain('worker', 3),
  kill('gateway', 2),
  freeze('gateway', 1, 500, 3_500),
  drain('gateway', 2),
  kill('webapp', 2),
  freeze('webapp', 1, 500, 3_000),
  drain('webapp', 2),
  kill('nats', 1),
  freeze('nats', 1, 200, 1_200),
  cut('both ways', 1, 'up', 'down'),
  cut('up', 1, 'up'),
  cut('down', 1, 'down'),
  slow,
];

export function drawFault(rng: Rng, kinds: readonly FaultKind[] = faultKinds): FaultKind {
  let at = rng.int(kinds.reduce((sum, { weight }) => sum + weight, 0));
  const drawn = kinds.find(({ weight }) => (at -= weight) < 0);
  if (drawn === undefined) throw new Error('no fault to draw from');
  return drawn;
}

/** SIGTERM to one process after the other, each waited for until it is back and the cluster is whole again. */
export async function rollingRestart(context: Omit<FaultContext, 'rng'>, roles: readonly ChaosRole[]): Promise<void> {
  for (const role of roles) {
    for (const victim of context.cluster.running(role)) {
      const fault = context.recorder.fault(`restart ${victim.id}`);
      context.cluster.signal(victim, 'SIGTERM');
      await until(`${victim.id} to be back`, () => context.cluster.isBack(victim), backMs);
      await context.cluster.settled();
      fault.untilMs = context.recorder.now();
    }
  }
}

async function harm(
  { cluster, recorder, rng }: FaultContext,
  role: ChaosRole,
  what: string,
  act: (victim: Victim) => Promise<void> | void,
): Promise<boolean> {
  const running = cluster.running(role);
  const victim = running[rng.int(Math.max(1, running.length))];
  if (victim === undefined || (role !== 'nats' && running.length < 2)) return false;
  const channels = role === 'worker' ? await cluster.owners.of(victim.id, recorder.channels()) : undefined;
  const fault = recorder.fault(`${what} ${victim.id}`, channels);
  await act(victim);
  fault.untilMs = recorder.now();
  return true;
}

async function disturb(
  { cluster, recorder }: FaultContext,
  what: string,
  forMs: number,
  act: () => void,
): Promise<boolean> {
  if (cluster.proxy === undefined) return false;
  const fault = recorder.fault(what, await cluster.owners.of(proxiedId, recorder.channels()));
  act();
  await wait(forMs);
  cluster.proxy.heal();
  fault.untilMs = recorder.now();
  return true;
}
