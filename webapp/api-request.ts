/**
 * API requests: from a path, a query and a body to a method's name, its arguments and a token.
 *
 * Invariants:
 * Q1  Whatever arrives becomes a call or the error for it; nothing throws, not even on hostile JSON.
 * Q2  Arguments stand in an object without a prototype, or in what JSON.parse made; they are read by fixed names.
 * Q3  Query and body are merged, the body wins; of a name given twice, the last one counts.
 * Q4  A bearer token in the header wins over a `token` argument.
 */
import { limits } from '../platform/limits.ts';
import type { SlackError } from '../protocol/errors.ts';
import type { ApiRequest } from '../protocol/http.ts';

export type ApiArguments = Readonly<Record<string, unknown>>;

export type RequestOutcome =
  | { readonly kind: 'call'; readonly method: string; readonly args: ApiArguments; readonly token: string | undefined }
  | { readonly kind: 'refused'; readonly error: SlackError }
  /** The path is not under /api/. */
  | { readonly kind: 'elsewhere' };

type ArgsOutcome = { readonly kind: 'args'; readonly args: ApiArguments } | Refused;
type Refused = { readonly kind: 'refused'; readonly error: SlackError };

const refused = (error: SlackError): Refused => ({ kind: 'refused', error });
const NO_ARGUMENTS: ArgsOutcome = { kind: 'args', args: Object.freeze(Object.create(null) as ApiArguments) };

/** Only a multipart body makes it a promise. */
export function parseRequest(request: ApiRequest): RequestOutcome | Promise<RequestOutcome> {
  const method = methodOf(request.path);
  if (method === undefined) return { kind: 'elsewhere' };
  const body = parseBody(request);
  return body instanceof Promise
    ? body.then((outcome) => finish(request, method, outcome))
    : finish(request, method, body);
}

/** The method that a path names: '/api/x.y', with slashes doubled or trailing. Undefined for any other path. */
function methodOf(path: string): string | undefined {
  if (!path.startsWith('/api/')) return undefined;
  let start = 5;
  while (path.charAt(start) === '/') start += 1;
  let end = path.length;
  while (end > start && path.charAt(end - 1) === '/') end -= 1;
  return path.slice(start, end);
}

function finish(request: ApiRequest, method: string, body: ArgsOutcome): RequestOutcome {
  if (body.kind === 'refused') return body;
  const merged = request.query === '' ? body : merge(parseFormText(request.query), body.args);
  if (merged.kind === 'refused') return merged;
  const { args } = merged;
  if (Object.keys(args).length > limits.httpArgumentsMax) return refused('invalid_arguments');
  const inArguments = args['token'];
  const token =
    bearerToken(request.headers.authorization) ?? (typeof inArguments === 'string' ? inArguments.trim() : undefined);
  return { kind: 'call', method, args, token: token === '' ? undefined : token };
}

function merge(query: ArgsOutcome, body: ApiArguments): ArgsOutcome {
  if (query.kind === 'refused') return query;
  return { kind: 'args', args: Object.assign(Object.create(null), query.args, body) as ApiArguments };
}

function bearerToken(header: string | undefined): string | undefined {
  if (header === undefined || header.length < 8 || header.slice(0, 7).toLowerCase() !== 'bearer ') return undefined;
  return header.slice(7).trim();
}

function parseBody(request: ApiRequest): ArgsOutcome | Promise<ArgsOutcome> {
  const { body, verb } = request;
  // Some clients send a GET with a form's content type and nothing in it.
  if (body.length === 0 || verb === 'GET' || verb === 'HEAD') return NO_ARGUMENTS;
  if (verb !== 'POST') return refused('invalid_post_type');
  if (body.length > limits.httpBodyBytesMax) return refused('invalid_arguments');
  const contentType = request.headers.contentType ?? '';
  const type = mediaType(contentType);
  if (type === 'multipart/form-data') return parseMultipart(contentType, body);
  const encoding = encodingOf(contentType);
  if (encoding === undefined) return refused('invalid_charset');
  if (type === 'application/x-www-form-urlencoded') return parseFormText(spaced(body).toString(encoding));
  if (type === 'application/json') return parseJson(body.toString(encoding));
  return refused(type === '' ? 'missing_post_type' : 'invalid_post_type');
}

function mediaType(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

/** Slack takes UTF-8 and ISO-8859-1 and refuses the rest. */
function encodingOf(contentType: string): 'utf8' | 'latin1' | undefined {
  const at = contentType.toLowerCase().indexOf('charset=');
  if (at < 0) return 'utf8';
  const name = (contentType.slice(at + 8).split(';')[0] ?? '').trim().replaceAll('"', '').toLowerCase();
  if (name === 'utf-8' || name === 'utf8' || name === 'us-ascii' || name === '') return 'utf8';
  return name === 'iso-8859-1' || name === 'latin1' ? 'latin1' : undefined;
}

function parseJson(text: string): ArgsOutcome {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refused('invalid_json');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refused('json_not_object');
  if (deeperThan(value, limits.jsonDepthMax)) return refused('invalid_json');
  return { kind: 'args', args: value as ApiArguments };
}

/** True when arrays and objects are nested more than `depth` deep: walking such a value would overflow the stack. */
export function deeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && deeperThan(child, depth - 1)) return true;
  }
  return false;
}

const PLUS = 0x2b;
const SPACE = 0x20;

/** A form's spaces as they were meant, in place: on the text it takes three times as long. */
function spaced(body: Buffer): Buffer {
  for (let at = 0; at < body.length; at += 1) if (body[at] === PLUS) body[at] = SPACE;
  return body;
}

/** By hand: node:querystring takes three times as long, and does not tell a malformed escape. */
function parseFormText(text: string): ArgsOutcome {
  const args = Object.create(null) as Record<string, string>;
  const pairs = text.split('&', limits.httpArgumentsMax + 1);
  for (const pair of pairs) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const name = decodeFormPart(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? '' : decodeFormPart(pair.slice(at + 1));
    if (name === undefined || value === undefined) return refused('invalid_form_data');
    args[name] = value;
  }
  return { kind: 'args', args };
}

/** Undefined for an escape that is none, or that is not UTF-8. */
function decodeFormPart(part: string): string | undefined {
  const spaced = part.includes('+') ? part.replaceAll('+', ' ') : part;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return undefined;
  }
}

/** Files are not arguments of any method here; their parts are skipped. */
async function parseMultipart(contentType: string, body: Buffer): Promise<ArgsOutcome> {
  try {
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
    const args = Object.create(null) as Record<string, unknown>;
    for (const [name, value] of form) if (typeof value === 'string') args[name] = value;
    return { kind: 'args', args };
  } catch {
    return refused('invalid_form_data');
  }
}
