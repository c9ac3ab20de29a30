/**
 * Timestamps: whole microseconds since 1970 inside (a safe integer until the year 2255), Slack's
 * `<seconds>.<six digits>` string outside. A message's timestamp is its id within its channel.
 */
const SHAPE = /^(\d{1,10})(?:\.(\d{1,6}))?$/;

/** `1700000000000123` -> `"1700000000.000123"`. */
export function formatTs(micros: number): string {
  const seconds = Math.floor(micros / 1e6);
  return `${seconds}.${String(micros - seconds * 1e6).padStart(6, '0')}`;
}

/** The microseconds of a Slack timestamp; undefined for anything else. Accepts a missing or short fraction. */
export function parseTs(value: unknown): number | undefined {
  const text = typeof value === 'number' && value >= 0 ? String(value) : value;
  const match = typeof text === 'string' ? SHAPE.exec(text) : null;
  if (match === null) return undefined;
  return Number(match[1]) * 1e6 + Number((match[2] ?? '').padEnd(6, '0'));
}
