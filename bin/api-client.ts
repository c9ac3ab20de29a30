/**
 * A small client of the HTTP API for this CLI's own commands. Failures are values, so that a caller can tell "no" from
 * "not now"; `must` turns them into the one line that the operator sees.
 */
import type { Clock } from '../platform/clock.ts';

export type ApiTarget = {
  /** Ends in `/api/`. */
  readonly api: string;
  readonly token: string;
};

export type ApiBody = Readonly<Record<string, unknown>>;
export type ApiOutcome =
  | { readonly kind: 'ok'; readonly body: ApiBody }
  /** The API's own error code. */
  | { readonly kind: 'refused'; readonly error: string }
  | { readonly kind: 'unavailable'; readonly why: string };

/** A command that was well given but could not be carried out: one line, exit 1. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
}

const requestTimeoutMs = 15_000;
const attemptsMax = 5;
const retryDelayMs = 500;

export async function callApi(target: ApiTarget, method: string, args: ApiBody = {}): Promise<ApiOutcome> {
  try {
    const response = await fetch(new URL(method, target.api), {
      method: 'POST',
      headers: { authorization: `Bearer ${target.token}`, 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(args),
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const body = (await response.json()) as ApiBody;
    if (body['ok'] === true) return { kind: 'ok', body };
    const error = textField(body, 'error') || `HTTP ${response.status}`;
    return response.status === 200 ? { kind: 'refused', error } : { kind: 'unavailable', why: error };
  } catch (error) {
    return { kind: 'unavailable', why: reason(error) };
  }
}

/** Tries again while the API is unavailable. Only for calls whose repetition does not double their effect. */
export async function callPatiently(
  target: ApiTarget,
  method: string,
  args: ApiBody,
  clock: Clock,
): Promise<ApiOutcome> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await callApi(target, method, args);
    if (outcome.kind !== 'unavailable' || attempt === attemptsMax) return outcome;
    await clock.sleep(retryDelayMs);
  }
}

/** A field that should be text; empty when it is anything else. */
export function textField(body: ApiBody, key: string): string {
  const value = body[key];
  return typeof value === 'string' ? value : '';
}

/** The body of a call that must succeed. @throws CommandFailure */
export function must(target: ApiTarget, method: string, outcome: ApiOutcome): ApiBody {
  switch (outcome.kind) {
    case 'ok':
      return outcome.body;
    case 'refused':
      throw new CommandFailure(`${method}: ${outcome.error}`);
    case 'unavailable':
      throw new CommandFailure(`${method} at ${target.api}: ${outcome.why}`);
    default:
      return outcome satisfies never;
  }
}

function reason(error: unknown): string {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  if (cause?.code === 'ECONNREFUSED') return 'nobody listens there';
  if ((error as Error).name === 'TimeoutError') return `no answer in ${requestTimeoutMs / 1_000} s`;
  return cause?.code ?? cause?.message ?? (error as Error).message;
}
