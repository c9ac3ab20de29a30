/**
 * The webapp: from an HTTP request to an answer. Parse, find the method, authenticate, rate-limit, run, write JSON.
 *
 * Invariants:
 * A1  Every request gets an answer in Slack's envelope: HTTP 200 with ok true or false; 429 and 503 only with
 *     Retry-After. A bug is `internal_error` with an id that the log has too, and no more.
 * A2  503 is answered only where a retry cannot double an effect: clients retry it for long.
 * A3  Stateless: what it keeps is a cache of the directory, or counts.
 */
import type { ClusterInfo } from '../cluster/cluster-info.ts';
import type { CommandSender } from '../cluster/command-sender.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Rng } from '../platform/rng.ts';
import {
  failureResponse,
  JSON_CONTENT_TYPE,
  type ApiHandler,
  type ApiRequest,
  type ApiResponse,
} from '../protocol/http.ts';
import type { MutationId, NodeId } from '../protocol/ids.ts';
import { parseRequest, type RequestOutcome } from './api-request.ts';
import type { Directory } from './directory.ts';
import { findMethod, makeMethodTable } from './method-table.ts';
import {
  refuse,
  unavailable,
  type Answer,
  type Call,
  type DrainOutcome,
  type GatewayNode,
  type Method,
  type Methods,
  type WebappContext,
  type WebappSettings,
} from './method.ts';
import { RateLimiter, type RateLimitMode } from './rate-limits.ts';
import { isMember, type Authentication } from './token-store.ts';

export interface WebappOptions {
  readonly directory: Directory;
  readonly sender: CommandSender;
  /** Gateways alive now that take sessions. */
  readonly nodes: () => readonly GatewayNode[];
  readonly clusterInfo: () => ClusterInfo | Promise<ClusterInfo>;
  readonly requestDrain: (node: NodeId) => Promise<DrainOutcome>;
  readonly settings: WebappSettings;
  readonly rateLimits: RateLimitMode;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'hops' | 'counterOf'>;
}

export interface Webapp {
  readonly handle: ApiHandler;
}

export function createWebapp(options: WebappOptions): Webapp {
  const webapp = new ApiServer(options);
  return { handle: (request) => webapp.handle(request) };
}

type ApiCall = Extract<RequestOutcome, { kind: 'call' }>;

const MUTATION_PREFIX_BYTES = 10;
const RETRY_AFTER_SECONDS = 1;
const HEADERS = { 'content-type': JSON_CONTENT_TYPE };
const ELSEWHERE: Answer = { kind: 'elsewhere' };
const NOT_HERE = failureResponse('unknown_method', 404);
const UNAVAILABLE_SAFE = failureResponse('service_unavailable', 503, { 'retry-after': String(RETRY_AFTER_SECONDS) });
const UNAVAILABLE = failureResponse('service_unavailable');

class ApiServer {
  readonly #context: WebappContext;
  readonly #methods: Methods;
  readonly #counts = { ok: 0, refused: 0, unavailable: 0, limited: 0, bugs: 0 };

  constructor(options: WebappOptions) {
    this.#methods = makeMethodTable();
    this.#context = contextOf(options);
    this.#expose(options.metrics);
  }

  /** No async function: each would cost every request a few promises and the memory of its frame. */
  handle(request: ApiRequest): Promise<ApiResponse> {
    const startedMs = this.#context.clock.monotonicMs();
    try {
      const parsed = parseRequest(request);
      const pending =
        parsed instanceof Promise
          ? parsed.then((outcome) => this.#carryOut(outcome, request, startedMs))
          : this.#carryOut(parsed, request, startedMs);
      if (!(pending instanceof Promise)) return Promise.resolve(this.#respond(pending));
      return pending.then((answer) => this.#respond(answer)).catch((error: unknown) => this.#bug(request, error));
    } catch (error) {
      return Promise.resolve(this.#bug(request, error));
    }
  }

  #carryOut(outcome: RequestOutcome, request: ApiRequest, startedMs: number): Answer | Promise<Answer> {
    if (outcome.kind === 'elsewhere') return ELSEWHERE;
    return outcome.kind === 'refused' ? outcome : this.#answer(outcome, request, startedMs);
  }

  #answer(call: ApiCall, request: ApiRequest, startedMs: number): Answer | Promise<Answer> {
    const method = findMethod(this.#methods, call.method);
    if (method === undefined) return refuse('unknown_method');
    const rest = { args: call.args, startedMs };
    if (method.access === 'open') {
      const limited = this.#limit(method, `${call.method}:${request.remoteAddress()}`, startedMs);
      return limited ?? method.run(this.#context, rest);
    }
    if (call.token === undefined) return refuse('not_authed');
    const authentication = this.#context.directory.tokens.authenticate(call.token);
    return authentication instanceof Promise
      ? authentication.then((known) => this.#run(method, call.method, rest, known))
      : this.#run(method, call.method, rest, authentication);
  }

  #run(
    method: Exclude<Method, { access: 'open' }>,
    name: string,
    rest: Call<ApiCall['args']>,
    authentication: Authentication,
  ): Answer | Promise<Answer> {
    if (authentication.kind === 'unavailable') return unavailable;
    if (authentication.kind === 'refused') return authentication;
    const { caller } = authentication;
    const limited = caller.unlimited ? undefined : this.#limit(method, `${name}:${caller.tokenHash}`, rest.startedMs);
    if (limited !== undefined) return limited;
    switch (method.access) {
      case 'member':
        return isMember(caller) ? method.run(this.#context, { ...rest, caller }) : WRONG_TOKEN;
      case 'admin':
        return caller.kind === 'admin' ? method.run(this.#context, { ...rest, caller }) : WRONG_TOKEN;
      case 'token':
        return caller.kind === 'app' ? WRONG_TOKEN : method.run(this.#context, { ...rest, caller });
      default:
        return method satisfies never;
    }
  }

  #limit(method: Method, key: string, nowMs: number): Answer | undefined {
    const { rates } = this.#context;
    // The handler itself limits posts where the rule is one per channel.
    if (method.tier === 'post' && rates.postsPerChannel) return undefined;
    const retryAfterSeconds = rates.take(key, method.tier, nowMs);
    return retryAfterSeconds === 0 ? undefined : { kind: 'rate-limited', retryAfterSeconds };
  }

  #respond(answer: Answer): ApiResponse {
    switch (answer.kind) {
      case 'ok':
        this.#counts.ok += 1;
        return { status: 200, headers: HEADERS, body: JSON.stringify({ ok: true, ...answer.body }) };
      case 'written':
        this.#counts.ok += 1;
        return { status: 200, headers: HEADERS, body: answer.json };
      case 'elsewhere':
        return NOT_HERE;
      case 'refused':
        this.#counts.refused += 1;
        return {
          status: 200,
          headers: HEADERS,
          body: JSON.stringify({ ok: false, error: answer.error, ...answer.body }),
        };
      case 'unavailable':
        this.#counts.unavailable += 1;
        return answer.retrySafe ? UNAVAILABLE_SAFE : UNAVAILABLE;
      case 'rate-limited':
        this.#counts.limited += 1;
        return failureResponse('ratelimited', 429, { 'retry-after': String(answer.retryAfterSeconds) });
      default:
        return answer satisfies never;
    }
  }

  #bug(request: ApiRequest, error: unknown): ApiResponse {
    const errorId = this.#context.mutation();
    this.#counts.bugs += 1;
    this.#context.logger.error('api_call_failed', { path: request.path, errorId, error });
    const messages = [`[ERROR] error id ${errorId}`];
    const body = { ok: false, error: 'internal_error', response_metadata: { messages } };
    return { status: 200, headers: HEADERS, body: JSON.stringify(body) };
  }

  #expose(metrics: WebappOptions['metrics']): void {
    const counts = this.#counts;
    metrics.counterOf('belfry_api_ok_total', 'API calls answered with ok true.', () => counts.ok);
    metrics.counterOf(
      'belfry_api_refused_total',
      'API calls answered with an error of their own.',
      () => counts.refused,
    );
    metrics.counterOf(
      'belfry_api_unavailable_total',
      'API calls that the cluster could not carry out.',
      () => counts.unavailable,
    );
    metrics.counterOf('belfry_api_rate_limited_total', 'API calls over a rate limit.', () => counts.limited);
    metrics.counterOf('belfry_api_bugs_total', 'API calls that ended in internal_error.', () => counts.bugs);
  }
}

const WRONG_TOKEN = refuse('not_allowed_token_type');

function contextOf(options: WebappOptions): WebappContext {
  const { directory, sender, nodes, clusterInfo, requestDrain, clock, rng, logger } = options;
  const prefix = Buffer.from(rng.bytes(MUTATION_PREFIX_BYTES)).toString('hex');
  const ingress = options.metrics.hops.ingress;
  let mutations = 0;
  const settings = { ...options.settings, publicUrl: options.settings.publicUrl.replace(/\/+$/, '') };
  return {
    ...{ directory, settings, clock, rng, logger, nodes, clusterInfo, requestDrain },
    rates: new RateLimiter(options.rateLimits),
    mutation() {
      mutations += 1;
      return `${prefix}-${mutations}` as MutationId;
    },
    send(startedMs, stream, command) {
      ingress.observe(clock.monotonicMs() - startedMs);
      return sender.toStream(stream, command);
    },
  };
}
