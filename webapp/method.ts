/**
 * Methods: what one is, what it answers, and what every handler has at hand.
 *
 * M1  A handler answers with a value. It throws only for a bug, which the client sees as `internal_error`.
 * M2  Arguments reach it checked; what it does not know is ignored.
 */
import type { z } from 'zod';
import type { ClusterInfo } from '../cluster/cluster-info.ts';
import type { CommandOutcome } from '../cluster/command-sender.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';
import type { Rng } from '../platform/rng.ts';
import type { StreamCommand, StreamResult } from '../protocol/commands.ts';
import type { Failure, SlackError } from '../protocol/errors.ts';
import type { Incarnation, MutationId, NodeId, StreamId } from '../protocol/ids.ts';
import type { ApiArguments } from './api-request.ts';
import { readArguments } from './arguments.ts';
import type { Directory } from './directory.ts';
import type { TeamRecord } from './directory-records.ts';
import type { RateLimiter, Tier } from './rate-limits.ts';
import type { Caller, MemberCaller } from './token-store.ts';

export type Answer =
  | { readonly kind: 'ok'; readonly body: Readonly<Record<string, unknown>> }
  /** As `ok`, with the whole envelope as its JSON. */
  | { readonly kind: 'written'; readonly json: string }
  /** No method of the API. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'refused'; readonly error: string; readonly body?: Readonly<Record<string, unknown>> }
  /** `retrySafe`: a retry cannot double the effect, so the client may be told to retry. */
  | { readonly kind: 'unavailable'; readonly retrySafe: boolean }
  | { readonly kind: 'rate-limited'; readonly retryAfterSeconds: number };

export const ok = (body: Readonly<Record<string, unknown>> = {}): Answer => ({ kind: 'ok', body });
/** `error` is one of Slack's codes; only api.test echoes another. */
export const refuse = (error: SlackError, body?: Readonly<Record<string, unknown>>): Answer =>
  body === undefined ? { kind: 'refused', error } : { kind: 'refused', error, body };
export const unavailable: Answer = { kind: 'unavailable', retrySafe: true };

/**
 * The answer for a command that failed. `idempotent`: the same request again has the same effect (a read, or a mutation
 * whose id the client chose), so that even an unknown fate is safe to retry.
 */
export function failed(failure: Failure, idempotent: boolean): Answer {
  switch (failure.kind) {
    case 'rejected':
      return { kind: 'refused', error: failure.error };
    case 'retryable':
      return unavailable;
    case 'unknown':
      return { kind: 'unavailable', retrySafe: idempotent };
    default:
      return failure satisfies never;
  }
}

export interface GatewayNode {
  readonly incarnation: Incarnation;
  readonly region: string;
  /** ws://, wss:// or http(s):// */
  readonly publicUrl: string;
  readonly load: number;
  /** What its own monotonic clock shows now, about. */
  readonly monotonicMs: number;
}

export type DrainOutcome = 'accepted' | 'not-found' | 'unavailable';

/** What the deployment decides. */
export interface WebappSettings {
  readonly team: TeamRecord;
  /** The key that gateways check tickets with. */
  readonly ticketSecret: string;
  /** Where clients reach this API from outside, such as http://127.0.0.1:8080. */
  readonly publicUrl: string;
  readonly region: string;
}

export interface WebappContext {
  readonly directory: Directory;
  readonly settings: WebappSettings;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly rates: RateLimiter;
  /** Gateways alive now that take sessions. */
  nodes(): readonly GatewayNode[];
  clusterInfo(): ClusterInfo | Promise<ClusterInfo>;
  requestDrain(node: NodeId): Promise<DrainOutcome>;
  /** A fresh id for a mutation that the client did not name. */
  mutation(): MutationId;
  /** Sends a command for a request that came at `startedMs`; measures the ingress hop. */
  send<K extends StreamCommand['kind']>(
    startedMs: number,
    stream: StreamId,
    command: Extract<StreamCommand, { kind: K }>,
  ): Promise<CommandOutcome<StreamResult<K>>>;
}

export interface Call<A> {
  readonly args: A;
  /** Monotonic. */
  readonly startedMs: number;
}
export type MemberCall<A> = Call<A> & { readonly caller: MemberCaller };
export type TokenCall<A> = Call<A> & { readonly caller: Caller };

/** `open`: no token; `token`: user, bot or admin; `member`: user or bot; `admin`: xadm- only. */
export type Method =
  | {
      readonly access: 'open';
      readonly tier: Tier;
      run(context: WebappContext, call: Call<ApiArguments>): Answer | Promise<Answer>;
    }
  | {
      readonly access: 'token' | 'admin';
      readonly tier: Tier;
      run(context: WebappContext, call: TokenCall<ApiArguments>): Answer | Promise<Answer>;
    }
  | {
      readonly access: 'member';
      readonly tier: Tier;
      run(context: WebappContext, call: MemberCall<ApiArguments>): Answer | Promise<Answer>;
    };

export type Methods = Readonly<Record<string, Method>>;

type Handler<C, S extends z.ZodType> = (
  context: WebappContext,
  call: C & { args: z.output<S> },
) => Answer | Promise<Answer>;

export function memberMethod<S extends z.ZodType>(
  tier: Tier,
  schema: S,
  handler: Handler<MemberCall<unknown>, S>,
): Method {
  return { access: 'member', tier, run: checked(schema, handler) };
}

export function tokenMethod<S extends z.ZodType>(
  tier: Tier,
  schema: S,
  handler: Handler<TokenCall<unknown>, S>,
): Method {
  return { access: 'token', tier, run: checked(schema, handler) };
}

export function adminMethod<S extends z.ZodType>(schema: S, handler: Handler<TokenCall<unknown>, S>): Method {
  return { access: 'admin', tier: 4, run: checked(schema, handler) };
}

function checked<C extends Call<unknown>, S extends z.ZodType>(schema: S, handler: Handler<C, S>) {
  return (context: WebappContext, call: C & Call<ApiArguments>): Answer | Promise<Answer> => {
    const read = readArguments(schema, call.args);
    if (read.ok) return handler(context, { ...call, args: read.args });
    const messages = [`[ERROR] invalid or missing argument: ${read.argument}`];
    return { kind: 'refused', error: read.error, body: { response_metadata: { messages } } };
  };
}
