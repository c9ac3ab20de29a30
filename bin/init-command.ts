/** `belfry init`: makes the cluster and prints the first admin token, which nobody can print again. */
import { systemClock } from '../platform/clock.ts';
import type { Output } from '../platform/config.ts';
import { systemRng } from '../platform/rng.ts';
import { makeToken } from '../webapp/token-store.ts';
import { initCluster } from './init-cluster.ts';
import { asOneLine, natsAccess } from './role.ts';

export type InitOptions = Parameters<typeof natsAccess>[0] & {
  readonly replicas: number;
  readonly partitions: number;
  readonly team: string;
};

/** @throws UsageError */
export async function initCommand(options: InitOptions, output: Output): Promise<void> {
  const { partitions, team } = options;
  const adminToken = makeToken('admin', systemRng);
  const plan = { partitions, team, adminToken, replicas: options.replicas === 3 ? 3 : 1 } as const;
  const means = { clock: systemClock, rng: systemRng };
  const outcome = await asOneLine(() => initCluster(natsAccess(options, 'admin', 'init'), plan, means));
  if (outcome.kind === 'already') {
    output.out(`already initialised (team ${outcome.team}); nothing changed\n`);
    return;
  }
  output.out(`initialised: team ${outcome.team}\nadmin token, shown only now: ${adminToken}\n`);
}
