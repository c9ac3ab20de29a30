/**
 * The HTTP listener: turns uWebSockets.js's callbacks into whole requests for a handler, and its answers into bytes.
 *
 * H1  Never more than `bodyBytesMax` of a body is kept. What comes beyond is read and thrown away, because closing on a
 *     client that still writes would lose it the answer; after `bodyDiscardBytesMax` it is closed all the same.
 * H2  A response is touched only before it ended or aborted; both end the exchange, exactly once.
 * H3  At most `requestsInProgressMax` handlers run at once; more get 503 with Retry-After and no effect.
 * H4  A body that takes longer than `bodyTimeoutMs` ends with its connection. One that arrives in one piece, as nearly
 *     all do, costs no timer; while nothing at all arrives, uWebSockets.js's own 10 s of silence count.
 * H5  A listener that stops serves on what its clients have open, and each answer closes its connection: whoever asks now
 *     and then learns from an answer that it has to go elsewhere. Nothing in progress is cut before the grace is over; a
 *     connection that stayed silent for `httpSeeOffMs` is, and then a request may cross with its end. It waits no longer
 *     than there are connections.
 * H6  However many ask at once, a turn of the event loop begins requests for no longer than `httpSliceMs`: the process must
 *     answer its broker in between, and its heartbeats must leave.
 */
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import { TurnSlices } from '../platform/turn-slices.ts';
import {
  failureResponse,
  type ApiHandler,
  type ApiHeaders,
  type ApiRequest,
  type ApiResponse,
} from '../protocol/http.ts';
import { statusLine } from './status-lines.ts';
import { listenOn, loadUws, type HttpRequest, type HttpResponse, type Listening, type TemplatedApp } from './uws.ts';

export interface HttpLimits {
  readonly bodyBytesMax: number;
  readonly bodyDiscardBytesMax: number;
  readonly bodyTimeoutMs: number;
  readonly requestsInProgressMax: number;
}

export interface HttpListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly handler: ApiHandler;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: nothing is counted. */
  readonly metrics?: Pick<Metrics, 'counterOf' | 'gaugeOf'>;
  readonly limits?: Partial<HttpLimits>;
}

export interface HttpListener {
  readonly port: number;
  /** Accepts no more, waits up to `graceMs` for requests in progress, then closes every connection. */
  stop(graceMs: number): Promise<void>;
}

/** @throws UsageError when the port or the native module cannot be had. */
export async function startHttpListener(options: HttpListenerOptions): Promise<HttpListener> {
  const uws = await loadUws();
  const server = new HttpServer(options, uws.App());
  return server.listen(await listenOn(uws, server.app, options.host, options.port));
}

const TOO_LARGE = failureResponse('invalid_arguments');
const OVERLOADED = failureResponse('service_unavailable', 503, { 'retry-after': '1' });
const BUG = failureResponse('internal_error');
const EMPTY = Buffer.alloc(0);

class HttpServer {
  readonly app: TemplatedApp;
  readonly #handler: ApiHandler;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limits: HttpLimits;
  readonly #slices: TurnSlices;
  readonly #counts = { requests: 0, tooLarge: 0, overloaded: 0, aborted: 0 };
  readonly #aborted = (): void => void (this.#counts.aborted += 1);
  #inProgress = 0;
  #connections = 0;
  #draining = false;
  #onLess: (() => void) | undefined;

  constructor(options: HttpListenerOptions, app: TemplatedApp) {
    this.app = app;
    this.#handler = options.handler;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#slices = new TurnSlices(options.clock, limits.httpSliceMs);
    this.#limits = {
      bodyBytesMax: limits.httpBodyBytesMax,
      bodyDiscardBytesMax: limits.httpBodyDiscardBytesMax,
      bodyTimeoutMs: limits.httpBodyTimeoutMs,
      requestsInProgressMax: limits.httpRequestsInProgressMax,
      ...options.limits,
    };
    if (options.metrics !== undefined) this.#expose(options.metrics);
    app.filter((_res, change) => this.#count(change));
    app.any('/*', (res, req) => this.#receive(res, req));
  }

  listen(listening: Listening): HttpListener {
    return {
      port: listening.port,
      stop: async (graceMs) => {
        listening.stopAccepting();
        this.#draining = true;
        if (graceMs > 0) await this.#seeOff(graceMs);
        this.app.close();
      },
    };
  }

  /** H5 */
  async #seeOff(graceMs: number): Promise<void> {
    const deadlineMs = this.#clock.monotonicMs() + graceMs;
    const leftMs = () => Math.max(0, deadlineMs - this.#clock.monotonicMs());
    const areGone = () => this.#connections === 0;
    await this.#until(areGone, Math.min(graceMs, limits.httpSeeOffMs));
    do {
      await this.#until(() => this.#inProgress === 0, leftMs());
      // Closing in the turn of the last answer would cut it off.
      await this.#until(areGone, limits.httpLingerMs);
    } while (this.#inProgress > 0 && leftMs() > 0);
  }

  #expose(metrics: Pick<Metrics, 'counterOf' | 'gaugeOf'>): void {
    const counts = this.#counts;
    metrics.counterOf('belfry_http_requests_total', 'HTTP requests received whole.', () => counts.requests);
    metrics.counterOf('belfry_http_too_large_total', 'HTTP requests with an oversized body.', () => counts.tooLarge);
    metrics.counterOf('belfry_http_overloaded_total', 'HTTP requests refused as too many.', () => counts.overloaded);
    metrics.counterOf('belfry_http_aborted_total', 'HTTP requests that their client gave up.', () => counts.aborted);
    metrics.gaugeOf('belfry_http_in_progress', 'HTTP requests whose handler runs.', () => this.#inProgress);
  }

  #receive(res: HttpResponse, req: HttpRequest): void {
    const head = readHead(req);
    const exchange = new Exchange(res, head.verb === 'HEAD', this.#aborted);
    new BodyReader(res, exchange, this.#clock, this.#limits).read((body) => {
      if (body === undefined) {
        this.#counts.tooLarge += 1;
        exchange.answer(TOO_LARGE, true);
      } else {
        this.#dispatch(exchange, new WholeRequest(head, body, exchange));
      }
    });
  }

  #dispatch(exchange: Exchange, request: ApiRequest): void {
    this.#counts.requests += 1;
    if (this.#inProgress >= this.#limits.requestsInProgressMax) {
      this.#counts.overloaded += 1;
      exchange.answer(OVERLOADED, this.#draining);
      return;
    }
    this.#inProgress += 1;
    this.#slices.run(() => this.#begin(exchange, request));
  }

  #begin(exchange: Exchange, request: ApiRequest): void {
    void this.#handler(request).then(
      (response) => this.#end(exchange, response),
      (error: unknown) => {
        this.#logger.error('http_handler_failed', { path: request.path, error });
        this.#end(exchange, BUG);
      },
    );
  }

  #end(exchange: Exchange, response: ApiResponse): void {
    this.#inProgress -= 1;
    exchange.answer(response, this.#draining);
    this.#onLess?.();
  }

  /** `change` is 1 for a connection that began, -1 for one that ended. */
  #count(change: number): void {
    this.#connections += change;
    if (change < 0) this.#onLess?.();
  }

  /** Waits until it is so, for `ms` at most; one waits at a time. */
  #until(isSo: () => boolean, ms: number): Promise<void> {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(resolve, ms);
      this.#onLess = () => {
        if (!isSo()) return;
        timer.cancel();
        resolve();
      };
    });
  }
}

type RequestHead = Omit<ApiRequest, 'body' | 'remoteAddress'>;

class WholeRequest implements ApiRequest {
  readonly path: string;
  readonly verb: string;
  readonly query: string;
  readonly headers: ApiHeaders;
  readonly body: Buffer;
  readonly #exchange: Exchange;

  constructor({ path, verb, query, headers }: RequestHead, body: Buffer, exchange: Exchange) {
    this.path = path;
    this.verb = verb;
    this.query = query;
    this.headers = headers;
    this.body = body;
    this.#exchange = exchange;
  }

  remoteAddress(): string {
    return this.#exchange.remoteAddress();
  }
}

/** One response object and the guard around it (H2). */
class Exchange {
  readonly #res: HttpResponse;
  readonly #headOnly: boolean;
  #over = false;
  onOver: (() => void) | undefined;

  constructor(res: HttpResponse, headOnly: boolean, aborted: () => void) {
    this.#res = res;
    this.#headOnly = headOnly;
    res.onAborted(() => {
      aborted();
      this.#end();
    });
  }

  get over(): boolean {
    return this.#over;
  }

  /** Empty when it is over: the connection may be gone. */
  remoteAddress(): string {
    return this.#over ? '' : Buffer.from(this.#res.getRemoteAddressAsText()).toString('latin1');
  }

  answer(response: ApiResponse, close: boolean): void {
    if (this.#over) return;
    this.#end();
    const res = this.#res;
    res.cork(() => {
      // 200 is what is written of itself.
      if (response.status !== 200) res.writeStatus(statusLine(response.status));
      for (const name in response.headers) res.writeHeader(name, response.headers[name] ?? '');
      if (this.#headOnly) res.endWithoutBody(Buffer.byteLength(response.body), close);
      else res.end(response.body, close);
    });
  }

  close(): void {
    if (!this.#over) this.#res.close();
  }

  #end(): void {
    this.#over = true;
    this.onOver?.();
    this.onOver = undefined;
  }
}

/** Collects one body within its limits (H1, H4). */
class BodyReader {
  readonly #res: HttpResponse;
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  readonly #limits: HttpLimits;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #timer: Timer | undefined;

  constructor(res: HttpResponse, exchange: Exchange, clock: Clock, httpLimits: HttpLimits) {
    this.#res = res;
    this.#exchange = exchange;
    this.#clock = clock;
    this.#limits = httpLimits;
  }

  /** Calls `done` once with the body, or with undefined when it is too large; never when the exchange ended before. */
  read(done: (body: Buffer | undefined) => void): void {
    this.#res.onData((chunk, isLast) => {
      if (this.#exchange.over) return;
      this.#bytes += chunk.byteLength;
      const keep = this.#bytes <= this.#limits.bodyBytesMax;
      if (!keep) this.#chunks.length = 0;
      if (isLast) {
        this.#timer?.cancel();
        done(keep ? this.#join(chunk) : undefined);
      } else if (this.#bytes > this.#limits.bodyDiscardBytesMax) {
        done(undefined);
      } else {
        if (keep) this.#chunks.push(copyOf(chunk));
        this.#startTimer();
      }
    });
  }

  #join(last: ArrayBuffer): Buffer {
    if (this.#chunks.length === 0) return last.byteLength === 0 ? EMPTY : copyOf(last);
    return Buffer.concat([...this.#chunks, new Uint8Array(last)]);
  }

  #startTimer(): void {
    if (this.#timer !== undefined) return;
    const timer = this.#clock.setTimeout(() => this.#exchange.close(), this.#limits.bodyTimeoutMs);
    this.#timer = timer;
    this.#exchange.onOver = () => timer.cancel();
  }
}

/** uWebSockets.js takes its memory back when the callback returns. */
function copyOf(chunk: ArrayBuffer): Buffer {
  return Buffer.from(new Uint8Array(chunk));
}

/** Everything of the head that handlers may want; the request object dies with this callback. */
function readHead(req: HttpRequest): RequestHead {
  return {
    path: req.getUrl(),
    verb: req.getMethod().toUpperCase(),
    query: req.getQuery() ?? '',
    headers: readHeaders(req),
  };
}

function readHeaders(req: HttpRequest): ApiHeaders {
  const headers: { -readonly [Key in keyof ApiHeaders]: ApiHeaders[Key] } = {};
  const authorization = req.getHeader('authorization');
  const contentType = req.getHeader('content-type');
  if (authorization !== '') headers.authorization = authorization;
  if (contentType !== '') headers.contentType = contentType;
  return headers;
}
