/**
 * One HTTP request and its answer, as the API's handlers see them: whole, bounded and free of any server's types, so
 * that transport/ owns the sockets and webapp/ the meaning.
 */

/** Those that some handler reads: each costs a call into native code. */
export interface ApiHeaders {
  readonly authorization?: string;
  readonly contentType?: string;
}

export interface ApiRequest {
  /** The path as it was sent, from the first `/` to before any `?`; not decoded. */
  readonly path: string;
  /** Upper case: GET, POST … */
  readonly verb: string;
  /** What follows `?`, not decoded; empty when there is none. */
  readonly query: string;
  readonly headers: ApiHeaders;
  /** The whole body; at most limits.httpBodyBytesMax. Belongs to the handler. */
  readonly body: Buffer;
  /** Asked for by few, and dear. Empty when the client has gone. */
  remoteAddress(): string;
}

export interface ApiResponse {
  readonly status: number;
  /** Without content-length: the listener knows it. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Answers one request. A rejection is a bug: it is logged and answered with `internal_error`. */
export type ApiHandler = (request: ApiRequest) => Promise<ApiResponse>;

export const JSON_CONTENT_TYPE = 'application/json; charset=utf-8';

/** The answer to an API call that failed: HTTP 200 unless told otherwise. */
export function failureResponse(
  error: string,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): ApiResponse {
  return {
    status,
    headers: { 'content-type': JSON_CONTENT_TYPE, ...headers },
    body: JSON.stringify({ ok: false, error }),
  };
}
