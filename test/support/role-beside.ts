/** One role as an operator starts it by hand, at the broker of a `belfry dev` that runs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnBelfry, type CliRun } from './belfry-cli.ts';
import type { BelfryDev } from './belfry-dev.ts';

type RoleName = 'worker' | 'gateway' | 'webapp';

/** `natsPort` is the broker's own, or that of a proxy before it. It dies with the test process. */
export function spawnRoleBeside(
  dev: BelfryDev,
  role: RoleName,
  natsPort: number,
  flags: readonly string[],
  more: Readonly<Record<string, string>> = {},
): CliRun {
  const { nats } = JSON.parse(readFileSync(join(dev.data, 'secrets.json'), 'utf8')) as {
    nats: Record<string, string>;
  };
  const system = { BELFRY_NATS_SYS_USER: 'sys', BELFRY_NATS_SYS_PASSWORD: nats['sys'] ?? '' };
  const env = { BELFRY_NATS_USER: role, BELFRY_NATS_PASSWORD: nats[role] ?? '', ...(role === 'worker' ? system : {}) };
  return spawnBelfry([role, '--nats', `nats://127.0.0.1:${natsPort}`, ...flags], { ...env, ...more });
}

export function natsPortOf(dev: BelfryDev): number {
  return dev.file.processes.find(({ role }) => role === 'nats')?.port ?? 0;
}
