/**
 * What was decided when the cluster was created, in the cluster bucket under `settings`: JSON, for people to read.
 * Fixed for the cluster's life. How the streams are laid out stands in the broker's own layout (broker/layout.ts).
 */
import { z } from 'zod';
import { SLOTS } from '../broker/subjects.ts';
import type { KeyValue } from '../broker/broker.ts';
import { parseTeamId, type TeamId } from '../protocol/ids.ts';

const SETTINGS_KEY = 'settings';
const SETTINGS_FORMAT = 1;

const settingsSchema = z.object({
  format: z.literal(SETTINGS_FORMAT),
  slots: z.literal(SLOTS),
  team: z.custom<TeamId>((value) => parseTeamId(value) !== undefined, 'is no team id'),
  /** Milliseconds since 1970. */
  createdAt: z.number(),
  /** Key of the tickets' HMAC, base64 of 32 bytes. */
  secret: z.base64().min(43),
});
export type ClusterSettings = z.output<typeof settingsSchema>;

export type SettingsRead =
  | { readonly kind: 'found'; readonly settings: ClusterSettings }
  | { readonly kind: 'absent' }
  /** Written by a release that this one does not understand, or damaged. */
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly cause: unknown };

export async function readSettings(bucket: KeyValue): Promise<SettingsRead> {
  const read = await bucket.get(SETTINGS_KEY);
  return read.kind === 'found' ? parse(read.entry.value) : read;
}

/** Writes them once; settings that are there already win and are given back. */
export async function createSettings(
  bucket: KeyValue,
  settings: Omit<ClusterSettings, 'format' | 'slots'>,
): Promise<SettingsRead> {
  const value: ClusterSettings = { format: SETTINGS_FORMAT, slots: SLOTS, ...settings };
  settingsSchema.parse(value);
  const write = await bucket.create(SETTINGS_KEY, Buffer.from(JSON.stringify(value)));
  if (write.kind === 'written') return { kind: 'found', settings: value };
  // Someone else's, or perhaps ours after all: what stands there counts.
  const read = await readSettings(bucket);
  return read.kind === 'absent' && write.kind === 'unknown' ? { kind: 'unavailable', cause: write.cause } : read;
}

function parse(bytes: Uint8Array): SettingsRead {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return { kind: 'invalid', reason: 'not JSON' };
  }
  const parsed = settingsSchema.safeParse(json);
  if (parsed.success) return { kind: 'found', settings: parsed.data };
  const issue = parsed.error.issues[0];
  return { kind: 'invalid', reason: `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim() };
}
