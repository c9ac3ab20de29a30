/**
 * The one door to uWebSockets.js: loads the native module, refuses in one line where there is none, and wraps listening.
 *
 * U1  The module is loaded when it is first needed, so that a machine without it can still print help.
 * U2  A port is ours alone: without the exclusive flag two processes could listen on one and share its connections.
 * U3  A port can be had again at once after its owner was killed, while clients still hold their ends of the old
 *     connections. The module allows that (SO_REUSEADDR) for a named port only, so 0 is turned into a name first.
 */
import type * as UwsModule from 'uWebSockets.js';
import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { UsageError } from '../platform/config.ts';
import { freePort } from '../platform/free-port.ts';
import { limits } from '../platform/limits.ts';
import { refusalOf, thisRuntime, type Runtime } from '../platform/runtime-check.ts';

export type { HttpRequest, HttpResponse, TemplatedApp, WebSocket } from 'uWebSockets.js';
export type Uws = typeof UwsModule;

let loading: Promise<Uws> | undefined;

/** @throws UsageError where uWebSockets.js has no build for this machine, or it is not installed. */
export function loadUws(): Promise<Uws> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Uws> {
  // Read once by the native module while it loads; its own default of 4 KiB is short of what browsers may send.
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(limits.httpHeaderBytesMax);
  try {
    return await import('uWebSockets.js');
  } catch (cause) {
    throw loadFailure(cause, thisRuntime());
  }
}

/** There may be no build for this machine, or the installation lacks it. */
export function loadFailure(cause: unknown, runtime: Runtime): UsageError {
  const { node, platform } = runtime;
  const refusal = refusalOf(runtime) ?? `uWebSockets.js does not load in Node.js ${node} on ${platform}`;
  return new UsageError(refusal, { cause });
}

export interface Listening {
  readonly port: number;
  /** Accepts no new connection; those that are open stay. */
  stopAccepting(): void;
}

/** The overload with options is there at run time; the package's types describe it only without a host. */
type ListenExclusive = (
  host: string,
  port: number,
  options: number,
  done: (socket: us_listen_socket | false) => void,
) => TemplatedApp;
const EXCLUSIVE_PORT = 1;
const FREE_PORT_ATTEMPTS = 5;

/** Port 0 means any free one. @throws UsageError when the port cannot be had. */
export async function listenOn(uws: Uws, app: TemplatedApp, host: string, port: number): Promise<Listening> {
  const socket = await (port === 0 ? listenOnFreePort(app, host) : listenExclusively(app, host, port));
  if (socket === false) throw refusal(host, port);
  let open = true;
  return {
    port: uws.us_socket_local_port(socket),
    stopAccepting() {
      // Closing it twice would be a use after free in native code.
      if (open) uws.us_listen_socket_close(socket);
      open = false;
    },
  };
}

function listenExclusively(app: TemplatedApp, host: string, port: number): Promise<us_listen_socket | false> {
  const listen = app.listen.bind(app) as unknown as ListenExclusive;
  return new Promise((resolve) => listen(host, port, EXCLUSIVE_PORT, resolve));
}

/** Somebody else may be quicker to take the port that was found free. */
async function listenOnFreePort(app: TemplatedApp, host: string): Promise<us_listen_socket | false> {
  for (let attempt = 0; attempt < FREE_PORT_ATTEMPTS; attempt++) {
    const port = await freePort(host);
    const socket = port === undefined ? false : await listenExclusively(app, host, port);
    if (socket !== false) return socket;
  }
  return false;
}

function refusal(host: string, port: number): UsageError {
  return new UsageError(`cannot listen on ${host}:${port}: the port is taken or not allowed`);
}
