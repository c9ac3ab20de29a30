/** Results as files: written for later, read back to be compared. */
import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { UsageError } from '../../platform/config.ts';
import type { ComparedResult } from './compare.ts';
import { encodeResult, resultFormat, type Result } from './result.ts';

const figuresSchema = z.array(
  z.object({
    subject: z.string(),
    name: z.string(),
    unit: z.string(),
    values: z.array(z.number()),
    min: z.number(),
    median: z.number(),
    max: z.number(),
  }),
);

const comparedSchema = z
  .object({
    format: z.literal(resultFormat),
    scenario: z.string(),
    options: z.record(z.string(), z.unknown()),
    machine: z.object({ cores: z.number(), memoryGib: z.number(), platform: z.string(), node: z.string() }),
    failed: z.boolean(),
    notes: z.array(z.string()).default([]),
    figures: figuresSchema,
    roles: figuresSchema.default([]),
  })
  .transform(({ roles, ...result }): ComparedResult => ({ ...result, figures: [...result.figures, ...roles] }));

const standardOutput = '-';

/** `path` may be `-`: standard output. */
export async function writeResult(path: string, result: Result): Promise<void> {
  await (path === standardOutput ? toOutput(encodeResult(result)) : writeFile(path, encodeResult(result)));
}

export function isStandardOutput(path: string | undefined): boolean {
  return path === standardOutput;
}

/** As much of a result as a comparison needs. @throws UsageError when there is none in the file. */
export async function readCompared(path: string): Promise<ComparedResult> {
  const parsed = comparedSchema.safeParse(await readJson(path));
  if (parsed.success) return parsed.data;
  throw new UsageError(`${path} is no result of belfry bench --json (format ${resultFormat})`);
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) throw new UsageError(`${path} cannot be read`);
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toOutput(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}
