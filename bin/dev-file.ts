/**
 * DATA/dev.json: what a running `belfry dev` offers, for scripts, tests and the tools of this CLI. It is there exactly
 * while every role has become ready once: removed before a start and at the stop. Mode 0600, since it holds tokens.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

const devFileSchema = z.object({
  /** Ends in `/api/`. */
  api: z.string(),
  team: z.string(),
  admin: z.string(),
  users: z.array(z.object({ id: z.string(), name: z.string(), token: z.string() })),
  bot: z.object({
    id: z.string(),
    userId: z.string(),
    appId: z.string(),
    token: z.string(),
    appToken: z.string(),
    signingSecret: z.string(),
  }),
  channels: z.array(z.object({ id: z.string(), name: z.string() })),
  processes: z.array(
    z.object({
      role: z.enum(['nats', 'webapp', 'worker', 'gateway']),
      id: z.string(),
      pid: z.number(),
      /** 0 for a worker: it has no public port. */
      port: z.number(),
    }),
  ),
});

export type DevFile = z.output<typeof devFileSchema>;
export type Workspace = Pick<DevFile, 'team' | 'admin' | 'users' | 'bot' | 'channels'>;

export function devFilePath(folder: string): string {
  return join(folder, 'dev.json');
}

export function writeDevFile(folder: string, content: DevFile): void {
  writePrivateFile(devFilePath(folder), content);
}

/** Undefined when there is none, or none that is whole. */
export function readDevFile(folder: string): DevFile | undefined {
  try {
    const parsed = devFileSchema.safeParse(readPrivateFile(devFilePath(folder)));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export function removeDevFile(folder: string): void {
  rmSync(devFilePath(folder), { force: true });
}
