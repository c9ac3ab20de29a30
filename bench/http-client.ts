/**
 * An HTTP/1.1 client for load: one keep-alive connection, one request at a time, the least work per request.
 *
 * Y1  It reads what our servers send: a status line, headers with Content-Length, a body. Anything else is an error.
 */
import type { Socket } from 'node:net';
import { connectTo } from './load-socket.ts';

export type HttpAnswer = { readonly status: number; readonly body: string };

const headEnd = '\r\n\r\n';
const answerBytesMax = 4 * 1_024 * 1_024;

export class HttpConnection {
  readonly #socket: Socket;
  #held = '';
  #waiting: ((answer: HttpAnswer | Error) => void) | undefined;
  #ended: Error | undefined;

  /** `api` is the base URL; connects at once. */
  constructor(api: string) {
    this.#socket = connectTo(new URL(api));
    // Bodies are only searched for ASCII and parsed as JSON of ASCII texts.
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#read(text));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('connection closed')));
  }

  get busy(): boolean {
    return this.#waiting !== undefined;
  }

  /** It failed or was closed: of no more use. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Sends one request; `done` gets its answer or why there is none. Only when not busy. */
  send(request: string, done: (answer: HttpAnswer | Error) => void): void {
    if (this.#ended !== undefined) {
      done(this.#ended);
      return;
    }
    this.#waiting = done;
    this.#socket.write(request, 'latin1');
  }

  request(request: string): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      this.send(request, (answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
    });
  }

  /** Gives up on the request in progress, if there is one; the connection is of no more use. */
  giveUp(reason: string): void {
    if (this.busy) this.#fail(new Error(reason));
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #read(text: string): void {
    this.#held += text;
    const answer = parseAnswer(this.#held);
    if (answer === 'more') {
      if (this.#held.length > answerBytesMax) this.#fail(new Error('http: the answer is too long'));
      return;
    }
    this.#held = '';
    const done = this.#waiting;
    this.#waiting = undefined;
    done?.(answer);
    if (answer instanceof Error) this.#fail(answer);
  }

  #fail(error: Error): void {
    this.#ended ??= error;
    this.#socket.destroy();
    const done = this.#waiting;
    this.#waiting = undefined;
    done?.(this.#ended);
  }
}

/** The answer at the start of `text`, `more` while it is not whole. One request at a time: nothing may follow it. */
export function parseAnswer(text: string): HttpAnswer | Error | 'more' {
  const end = text.indexOf(headEnd);
  if (end < 0) return 'more';
  const head = text.slice(0, end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (!head.startsWith('HTTP/1.1 ') || length === undefined) return new Error(`http: cannot read ${head.slice(0, 80)}`);
  const body = text.slice(end + headEnd.length);
  if (body.length < Number(length)) return 'more';
  if (body.length > Number(length)) return new Error('http: more than one answer');
  return { status: Number(head.slice(9, 12)), body };
}

/** The bytes of an API call as the JavaScript SDKs send it: a POST with a form and a bearer token. */
export function apiRequest(
  api: string,
  method: string,
  token: string,
  fields: Readonly<Record<string, string>>,
): string {
  const { host, pathname } = new URL(api);
  return formRequest(formHead(host, `${pathname}${method}`, token), fields);
}

/** What is the same for all calls of one method with one token: built once on a hot path. */
export function formHead(host: string, path: string, token: string): string {
  const type = 'Content-Type: application/x-www-form-urlencoded';
  return `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n${type}\r\nContent-Length: `;
}

export function formRequest(head: string, fields: Readonly<Record<string, string>>): string {
  const body = new URLSearchParams(fields).toString();
  return `${head}${body.length}${headEnd}${body}`;
}
