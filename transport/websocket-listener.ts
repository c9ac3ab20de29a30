/**
 * The gateway's sockets: upgrades with a ticket, frames in, frames and topics out, on uWebSockets.js.
 *
 * Invariants:
 * W1  A socket that is gone is gone from the map before anybody is told; nothing touches it afterwards (uWebSockets.js
 *     throws on a closed socket, and in some places crashes).
 * W2  A ticket opens one session. A bad one is told so on an accepted socket, since clients read frames, not statuses.
 * W3  A client that reads too slowly is cut by uWebSockets.js when `socketBackpressureBytesMax` wait for it: seen by the
 *     client as 1006, which means resume. Nothing is ever left out in mid-stream.
 * W4  Frames and topics of one socket leave in the order of the calls: uWebSockets.js flushes a socket's topics before
 *     a direct send to it.
 * W5  A frame that is too large reaches the session, which says so with its close code; only one that is larger than
 *     the largest sensible `resume` as a whole is cut by uWebSockets.js, which says nothing.
 * W6  What waits for all sockets together stays within `socketsBackpressureBytesMax` and what one `socketsLookMs` adds:
 *     the fullest are cut, as in W3, until it does.
 */
import { limits } from '../platform/limits.ts';
import { errorFrame, FRAME_ERROR } from '../protocol/client-frames.ts';
import { CLOSE, type CloseCode } from '../protocol/close-codes.ts';
import type { TicketClaims } from '../protocol/tickets.ts';
import type { SocketPort } from '../actors/gateway-shell.ts';
import { statusLine } from './status-lines.ts';
import { listenOn, loadUws, type HttpRequest, type HttpResponse, type TemplatedApp, type WebSocket } from './uws.ts';

export type TicketCheck =
  | { readonly kind: 'admitted'; readonly claims: TicketClaims }
  /** Used, expired or malformed. */
  | { readonly kind: 'expired' }
  /** Full, or draining: HTTP 503. */
  | { readonly kind: 'refused' };

export interface SocketEvents {
  /** Called once for each upgrade with what stands behind /websocket/. Takes note of the ticket's use. */
  admit(ticket: string): TicketCheck;
  opened(session: number, claims: TicketClaims): void;
  /** `bytes` are only valid during the call. */
  frame(session: number, bytes: Uint8Array): void;
  closed(session: number, code: number): void;
  /** What waited for the socket has gone out. */
  drained(session: number): void;
}

export interface WebSocketListenerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly events: SocketEvents;
  /** Absent: limits.socketBackpressureBytesMax. */
  readonly backpressureBytesMax?: number;
}

export interface WebSocketListener extends SocketPort {
  readonly port: number;
  /** Sockets cut because they read too slowly, since the start. */
  slowCount(): number;
  /** Cuts the fullest sockets until at most so many bytes wait for all together; returns how many bytes that are. */
  relieve(bytesMax: number): number;
  stopAccepting(): void;
  /** Closes everything that is left. */
  stop(): void;
}

interface SocketData {
  readonly session: number;
  /** Until the socket is open; undefined for a ticket that is not admitted. Sockets live long and are many. */
  claims: TicketClaims | undefined;
}
type Socket = WebSocket<SocketData>;

/** @throws UsageError when the port or the native module cannot be had. */
export async function startWebSocketListener(options: WebSocketListenerOptions): Promise<WebSocketListener> {
  const uws = await loadUws();
  const sockets = new Sockets(uws.App(), options);
  const listening = await listenOn(uws, sockets.app, options.host, options.port);
  return sockets.facade(listening.port, () => listening.stopAccepting());
}

const URL_EXPIRED = errorFrame(undefined, FRAME_ERROR.urlExpired, 'Socket URL has expired');
const NO_COMPRESSION = 0;

class Sockets {
  readonly app: TemplatedApp;
  readonly #events: SocketEvents;
  readonly #open = new Map<number, Socket>();
  #nextSession = 1;
  #slow = 0;

  constructor(app: TemplatedApp, options: WebSocketListenerOptions) {
    this.app = app;
    this.#events = options.events;
    app.ws<SocketData>('/websocket/:ticket', {
      compression: NO_COMPRESSION,
      maxPayloadLength: limits.socketFrameBytesMax,
      maxBackpressure: options.backpressureBytesMax ?? limits.socketBackpressureBytesMax,
      closeOnBackpressureLimit: true,
      idleTimeout: limits.socketIdleTimeoutMs / 1_000,
      sendPingsAutomatically: true,
      upgrade: (res, req, context) => this.#upgrade(res, req, context),
      open: (socket) => this.#opened(socket),
      message: (socket, message) => this.#events.frame(socket.getUserData().session, new Uint8Array(message)),
      drain: (socket) => this.#events.drained(socket.getUserData().session),
      // Only counted: uWebSockets.js itself cuts the socket, and touching it in here crashes the process.
      dropped: () => void (this.#slow += 1),
      close: (socket, code) => this.#closed(socket, code),
    });
    app.any('/*', (res) => {
      res.writeStatus(statusLine(404)).end('this is a WebSocket gateway; rtm.connect gives its URL\n');
    });
  }

  facade(port: number, stopAccepting: () => void): WebSocketListener {
    return {
      port,
      stopAccepting,
      stop: () => this.app.close(),
      slowCount: () => this.#slow,
      relieve: (bytesMax) => this.#relieve(bytesMax),
      send: (session, frames) => this.#send(session, frames),
      publish: (topic, bytes, except) => this.#publish(topic, bytes, except),
      subscribe: (session, topic) => void this.#open.get(session)?.subscribe(topic),
      unsubscribe: (session, topic) => void this.#open.get(session)?.unsubscribe(topic),
      close: (session, code) => this.#close(session, code),
      together: (session, run) => this.#together(session, run),
      bufferedBytes: (session) => this.#open.get(session)?.getBufferedAmount() ?? 0,
    };
  }

  #upgrade(res: HttpResponse, req: HttpRequest, context: UpgradeContext): void {
    const check = this.#events.admit(req.getParameter(0) ?? '');
    if (check.kind === 'refused') {
      res.writeStatus(statusLine(503)).writeHeader('retry-after', '1').end();
      return;
    }
    const data: SocketData = {
      session: this.#nextSession++,
      claims: check.kind === 'admitted' ? check.claims : undefined,
    };
    const key = req.getHeader('sec-websocket-key');
    const protocol = req.getHeader('sec-websocket-protocol');
    res.upgrade(data, key, protocol, req.getHeader('sec-websocket-extensions'), context);
  }

  #opened(socket: Socket): void {
    const data = socket.getUserData();
    const { session, claims } = data;
    data.claims = undefined;
    if (claims === undefined) {
      socket.send(URL_EXPIRED, false);
      socket.end(CLOSE.ticketInvalid.code, CLOSE.ticketInvalid.reason);
      return;
    }
    this.#open.set(session, socket);
    this.#events.opened(session, claims);
  }

  #closed(socket: Socket, code: number): void {
    const { session } = socket.getUserData();
    if (this.#open.delete(session)) this.#events.closed(session, code);
  }

  #send(session: number, frames: readonly Uint8Array[]): void {
    const socket = this.#open.get(session);
    if (socket === undefined) return;
    // One write for many frames.
    if (frames.length > 1) socket.cork(() => frames.forEach((frame) => socket.send(frame, false)));
    else for (const frame of frames) socket.send(frame, false);
  }

  /** W6 */
  #relieve(bytesMax: number): number {
    let total = 0;
    const behind: { readonly socket: Socket; readonly bytes: number }[] = [];
    for (const socket of this.#open.values()) {
      const bytes = socket.getBufferedAmount();
      if (bytes === 0) continue;
      total += bytes;
      behind.push({ socket, bytes });
    }
    if (total <= bytesMax) return total;
    for (const { socket, bytes } of behind.sort((a, b) => b.bytes - a.bytes)) {
      if (total <= bytesMax) break;
      total -= bytes;
      this.#slow += 1;
      socket.close();
    }
    return total;
  }

  #together(session: number, run: () => void): void {
    const socket = this.#open.get(session);
    if (socket === undefined) run();
    else socket.cork(run);
  }

  #publish(topic: string, bytes: Uint8Array, except: number | undefined): void {
    const sender = except === undefined ? undefined : this.#open.get(except);
    if (sender === undefined) this.app.publish(topic, bytes, false);
    else sender.publish(topic, bytes, false);
  }

  #close(session: number, code: CloseCode): void {
    const socket = this.#open.get(session);
    if (socket === undefined) return;
    this.#open.delete(session);
    socket.end(code.code, code.reason);
  }
}

type UpgradeContext = Parameters<HttpResponse['upgrade']>[4];
