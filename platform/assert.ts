/**
 * Assertions: the way a bug ends. An expected failure is a value; a broken invariant throws from here.
 *
 * A1  An AssertionError names the boundary that was broken (`append-log/one-in-flight`) and carries the ids
 *     at hand, so that one log line is enough to find the place and the object.
 * A2  Nobody catches it to go on: the supervisor of the actor, or of the process, restarts what threw.
 */

export type AssertionDetails = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>;

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
  /** Where the invariant lives: `file-or-module/invariant`. */
  readonly boundary: string;
  readonly details: AssertionDetails;

  constructor(boundary: string, details: AssertionDetails = {}, options?: ErrorOptions) {
    super(`${boundary}${describe(details)}`, options);
    this.boundary = boundary;
    this.details = details;
  }
}

/** Throws unless `condition` holds. `boundary` is a fixed text; what varies goes into `details`. */
export function assert(condition: unknown, boundary: string, details?: AssertionDetails): asserts condition {
  if (!condition) throw new AssertionError(boundary, details);
}

/** The value, which a proof elsewhere says is there. Keeps `!` out of the code. */
export function defined<T>(value: T | null | undefined, boundary: string, details?: AssertionDetails): T {
  if (value === null || value === undefined) throw new AssertionError(boundary, details);
  return value;
}

/** The end of a `switch` over a union: does not compile while a kind is missing, throws if one comes at run time. */
export function unreachable(value: never, boundary = 'unreachable'): never {
  throw new AssertionError(boundary, { value: kindOf(value) });
}

function kindOf(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'kind' in value) return String(value.kind);
  return typeof value === 'string' ? value : typeof value;
}

function describe(details: AssertionDetails): string {
  const entries = Object.entries(details);
  if (entries.length === 0) return '';
  return ` (${entries.map(([key, value]) => `${key}=${String(value)}`).join(' ')})`;
}
