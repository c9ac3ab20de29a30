/**
 * A client as a good one behaves: whenever its session ends it comes back, to whichever gateway it is sent, and goes on
 * from the last seq that it saw of each stream.
 *
 * Y1  What it saw of a stream is one sequence over all its sessions; a hole, a double or a resync is written down.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { callApi } from './api.ts';
import { RtmSocket, type Frame } from './rtm-socket.ts';

export interface RoamingClientOptions {
  readonly api: () => string;
  readonly token: string;
  /** Sent at the start of each session. */
  readonly greeting?: Frame;
}

const retryMs = 100;

export class RoamingClient {
  /** Everything, over all sessions. */
  readonly frames: Frame[] = [];
  readonly faults: string[] = [];
  /** Ports of the gateways that it was at, and how each session ended. */
  readonly visits: { readonly port: string; code: number | undefined }[] = [];
  readonly #options: RoamingClientOptions;
  readonly #places = new Map<string, number>();
  #socket: RtmSocket | undefined;
  #isLive = false;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RoamingClientOptions) {
    this.#options = options;
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  start(): void {
    this.#running = this.#roam();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#socket?.cut();
    await this.#running;
  }

  /** The last seq that it saw of a stream. */
  place(stream: string): number | undefined {
    return this.#places.get(stream);
  }

  texts(channel: string): unknown[] {
    return this.frames
      .filter((frame) => frame.type === 'message' && frame['channel'] === channel)
      .map((frame) => frame['text']);
  }

  async #roam(): Promise<void> {
    while (!this.#stopping) {
      const url = await this.#url();
      if (url !== undefined) await this.#visit(url);
      else await wait(retryMs);
    }
  }

  async #url(): Promise<string | undefined> {
    try {
      const { body } = await callApi(this.#options.api(), 'rtm.connect', this.#options.token, { resume: '1' });
      return typeof body['url'] === 'string' ? body['url'] : undefined;
    } catch {
      return undefined;
    }
  }

  async #visit(url: string): Promise<void> {
    const socket = new RtmSocket(url);
    this.#socket = socket;
    const visit: (typeof this.visits)[number] = { port: new URL(url).port, code: undefined };
    this.visits.push(visit);
    socket.listen((frame) => this.#take(socket, frame));
    visit.code = await socket.closed;
    this.#isLive = false;
    // Refused, or it never got as far as hello: not at once again.
    if (visit.code !== 4000) await wait(retryMs);
  }

  #take(socket: RtmSocket, frame: Frame): void {
    this.frames.push(frame);
    if (frame.type === 'hello') {
      const hello = frame['cursors'] as Record<string, number>;
      for (const [stream, seq] of Object.entries(hello)) {
        if (!this.#places.has(stream)) this.#places.set(stream, seq);
      }
      socket.send({ type: 'resume', cursors: Object.fromEntries(this.#places) });
    } else if (frame.type === 'resync') this.faults.push(`resync of ${String(frame['channel'])}`);
    else if (frame['ok'] === true && !this.#isLive) this.#live(socket);
    else if (typeof frame['seq'] === 'number') this.#event(String(frame['stream'] ?? frame['channel']), frame['seq']);
  }

  #live(socket: RtmSocket): void {
    this.#isLive = true;
    if (this.#options.greeting !== undefined) socket.send(this.#options.greeting);
  }

  #event(stream: string, seq: number): void {
    // A stream that hello did not name begins with its join.
    const place = this.#places.get(stream) ?? seq - 1;
    if (seq !== place + 1) this.faults.push(`${stream}: ${seq} after ${place}`);
    this.#places.set(stream, seq);
  }
}
