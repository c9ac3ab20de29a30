/** Short forms of calls to a broker, for suites over both implementations. */
import { expect } from 'vitest';
import type { Broker, KeyValue, KvChange } from '../../broker/broker.ts';

export const LOG = 'BELFRY_LOG_0';

export const bytes = (body: string): Uint8Array => Buffer.from(body);
export const text = (data: Uint8Array): string => Buffer.from(data).toString();

/** The server has seen what both messaging lanes sent. */
export async function flushed(broker: Broker): Promise<void> {
  expect(await broker.commands.flush(2_000)).toBe(true);
  expect(await broker.control.flush(2_000)).toBe(true);
}

/** The sequence of a record that must be stored. */
export async function appended(broker: Broker, subject: string, body: string, expected: number): Promise<number> {
  const attempt = await broker.records.append(subject, bytes(body), expected, 2_000);
  if (attempt.kind !== 'stored') throw new Error(`not stored: ${JSON.stringify(attempt)}`);
  return attempt.sequence;
}

/** A record that must be there, with its data as text. */
export async function readRecord(reading: ReturnType<Broker['records']['at']>) {
  const result = await reading;
  if (result.kind !== 'found') throw new Error(`not found: ${result.kind}`);
  const { data, ...rest } = result.record;
  return { ...rest, text: text(data) };
}

/** A key's value as text, or why there is none. */
export async function readValue(reading: ReturnType<KeyValue['get']>): Promise<string> {
  const result = await reading;
  return result.kind === 'found' ? text(result.entry.value) : result.kind;
}

export function revisionOf(write: { readonly kind: string; readonly revision?: number }): number {
  expect(write.kind).toBe('written');
  return write.revision ?? 0;
}

/** `key=value` or `key gone`, the key without `head`. */
export function describeChange(head: string, change: KvChange): string {
  const name = (key: string) => (head === '' ? key : key.slice(head.length + 1));
  return change.kind === 'put' ? `${name(change.entry.key)}=${text(change.entry.value)}` : `${name(change.key)} gone`;
}
