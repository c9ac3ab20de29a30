/**
 * What a running `belfry dev` writes into its data folder, as far as the harness needs it: dev.json is part of the
 * fixed outside, like the CLI. The broker's passwords are only asked for by scenarios that measure the broker itself.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const devFileSchema = z.object({
  /** Ends in `/api/`. */
  api: z.string(),
  admin: z.string(),
  processes: z.array(z.object({ role: z.string(), id: z.string(), pid: z.number(), port: z.number() })),
});
const secretsSchema = z.object({ nats: z.record(z.string(), z.string()) });

export type DevFile = z.output<typeof devFileSchema>;

/** Undefined while there is none: not every role is ready yet. */
export function readDevFile(folder: string): DevFile | undefined {
  try {
    return devFileSchema.parse(readJson(folder, 'dev.json'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The broker's password of one role. @throws Error when there is none */
export function readNatsPassword(folder: string, user: string): string {
  const password = secretsSchema.parse(readJson(folder, 'secrets.json')).nats[user];
  if (password === undefined) throw new Error(`no password of ${user} in ${folder}`);
  return password;
}

function readJson(folder: string, name: string): unknown {
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as unknown;
}
