/**
 * The admin listener of every role: /healthz (the process runs), /readyz (it serves; else 503 and what is missing) and
 * /metrics (Prometheus text). It is bound to loopback unless told otherwise, and never shares the public port.
 */
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { ApiRequest, ApiResponse } from '../protocol/http.ts';
import { startHttpListener, type HttpListener } from './http-listener.ts';

export interface AdminListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'expose'>;
  /** The conditions of readiness that do not hold; empty when ready. */
  readonly missing: () => readonly string[];
}

/** @throws UsageError when the port cannot be had. */
export function startAdminListener(options: AdminListenerOptions): Promise<HttpListener> {
  const { host, port, clock, logger } = options;
  return startHttpListener({ host, port, clock, logger, handler: (request) => answer(request, options) });
}

async function answer(request: ApiRequest, options: AdminListenerOptions): Promise<ApiResponse> {
  if (request.verb !== 'GET' && request.verb !== 'HEAD') return text(405, 'only GET\n');
  switch (request.path) {
    case '/healthz':
      return text(200, 'ok\n');
    case '/readyz': {
      const missing = options.missing();
      return missing.length === 0 ? text(200, 'ready\n') : text(503, `not ready: ${missing.join(', ')}\n`);
    }
    case '/metrics': {
      const { contentType, body } = await options.metrics.expose();
      return { status: 200, headers: { 'content-type': contentType }, body };
    }
    default:
      return text(404, 'not found; there are /healthz, /readyz and /metrics\n');
  }
}

function text(status: number, body: string): ApiResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}
