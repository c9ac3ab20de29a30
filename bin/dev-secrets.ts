/**
 * DATA/secrets.json: what `belfry dev` must find again after a restart: the broker's passwords, and the demo workspace's
 * tokens, which the cluster itself keeps only as hashes.
 *
 * S1  Passwords begin with a letter and hold letters and digits only: nats.conf reads them as configuration.
 * S2  It is written before what it names is used, so that no secret in use is ever lost.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { NatsPasswords } from '../broker/nats-users.ts';
import { UsageError } from '../platform/config.ts';
import type { Rng } from '../platform/rng.ts';
import type { Workspace } from './dev-file.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

const passwordBytes = 20;
const password = z.string().regex(/^[A-Za-z][A-Za-z0-9]*$/);
const schema = z.object({
  format: z.literal(1),
  /** A store of one server is not one of three. */
  natsNodes: z.number(),
  nats: z.object({ webapp: password, worker: password, gateway: password, admin: password, sys: password }),
  admin: z.string().optional(),
  /** Checked when it was made; read back as it was written. */
  workspace: z.custom<Workspace>((value) => typeof value === 'object' && value !== null).optional(),
});

export type DevSecrets = z.output<typeof schema>;

/** The secrets of the folder; new ones the first time. @throws UsageError when they do not fit or cannot be read. */
export function openSecrets(folder: string, natsNodes: number, rng: Rng): DevSecrets {
  const found = readSecrets(folder);
  if (found === undefined) {
    const made: DevSecrets = { format: 1, natsNodes, nats: makePasswords(rng) };
    saveSecrets(folder, made);
    return made;
  }
  if (found.natsNodes === natsNodes) return found;
  throw new UsageError(`${folder} was made with --nats-nodes ${found.natsNodes}; give that, or choose another --data`);
}

export function saveSecrets(folder: string, secrets: DevSecrets): void {
  writePrivateFile(secretsPath(folder), secrets);
}

function readSecrets(folder: string): DevSecrets | undefined {
  try {
    const content = readPrivateFile(secretsPath(folder));
    return content === undefined ? undefined : schema.parse(content);
  } catch (cause) {
    throw new UsageError(`${secretsPath(folder)} cannot be read; restore it, or choose another --data`, { cause });
  }
}

function secretsPath(folder: string): string {
  return join(folder, 'secrets.json');
}

function makePasswords(rng: Rng): NatsPasswords {
  const make = (): string => `p${Buffer.from(rng.bytes(passwordBytes)).toString('hex')}`;
  return { webapp: make(), worker: make(), gateway: make(), admin: make(), sys: make() };
}
