/**
 * One RTM session of `belfry tail`: connect, resume where the last one ended, hand every frame on, say how it ended.
 *
 * T1  Each session fetches a URL of its own: tickets are used once.
 * T2  A socket that says nothing for two beats, our pings included, is dead: it is cut and the next session resumes.
 */
import { WebSocket } from 'ws';
import type { Clock } from '../platform/clock.ts';
import { callApi, type ApiTarget } from './api-client.ts';
import { deferred } from './deferred.ts';

export type Frame = Readonly<Record<string, unknown>>;
export type Cursors = Readonly<Record<string, number>>;
export type SessionEnd =
  | { readonly kind: 'again'; readonly why: string }
  | { readonly kind: 'never'; readonly why: string };

export type SessionHooks = {
  /** Where the streams stand at hello; gives the cursors to resume from (`{}`: from hello on). */
  onHello(cursors: Cursors): Cursors;
  onFrame(frame: Frame): void;
};

const beatMs = 15_000;
const connectTimeoutMs = 10_000;
/** A client of ours reads frames as large as the server may send: an event of 40,000 characters and its blocks. */
const frameBytesMax = 4 * 1_024 * 1_024;
const resumeId = 1;

/** Runs until the socket closes. Never rejects. */
export async function runSession(target: ApiTarget, hooks: SessionHooks, clock: Clock): Promise<SessionEnd> {
  const outcome = await callApi(target, 'rtm.connect', { resume: 1 });
  if (outcome.kind === 'unavailable') return { kind: 'again', why: outcome.why };
  if (outcome.kind === 'refused') return { kind: 'never', why: `rtm.connect: ${outcome.error}` };
  const socket = new WebSocket(String(outcome.body['url']), {
    handshakeTimeout: connectTimeoutMs,
    maxPayload: frameBytesMax,
  });
  const ended = deferred<SessionEnd>();
  const stopBeats = keepAlive(socket, clock);
  socket.on('message', (data: Buffer) => receive(socket, data, hooks));
  socket.on('error', (error) => ended.resolve({ kind: 'again', why: error.message }));
  socket.on('close', (code, reason) => ended.resolve(endOf(code, reason.toString())));
  const end = await ended.promise;
  stopBeats();
  return end;
}

function receive(socket: WebSocket, data: Buffer, hooks: SessionHooks): void {
  const frame = JSON.parse(data.toString()) as Frame;
  if (frame['type'] === 'hello') {
    const cursors = hooks.onHello((frame['cursors'] ?? {}) as Cursors);
    socket.send(JSON.stringify({ id: resumeId, type: 'resume', cursors }));
    return;
  }
  hooks.onFrame(frame);
}

function keepAlive(socket: WebSocket, clock: Clock): () => void {
  let silentBeats = 0;
  let nextId = resumeId + 1;
  const heard = (): void => {
    silentBeats = 0;
  };
  socket.on('message', heard).on('ping', heard).on('pong', heard);
  const timer = clock.setInterval(() => {
    silentBeats += 1;
    if (silentBeats > 2) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ id: nextId++, type: 'ping' }));
  }, beatMs);
  return () => timer.cancel();
}

/** The hundreds of a close code say what to do (protocol/close-codes.ts). */
function endOf(code: number, reason: string): SessionEnd {
  const why = reason === '' ? `closed with ${code}` : `${reason} (${code})`;
  return code >= 4_200 && code < 4_300 ? { kind: 'never', why } : { kind: 'again', why };
}
