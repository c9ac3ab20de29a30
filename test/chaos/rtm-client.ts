/**
 * A client that stays: an RTM socket with resume=1 that, whenever it ends, comes back through any webapp to any gateway
 * with the cursors of what it has seen. It records its stream, and posts when asked.
 *
 * R1  A socket from which nothing came for `silenceMs`, pongs included, is given up, as a frozen gateway's must be.
 * R2  A post is repeated with its client_msg_id until it is acknowledged; an acknowledgement counts as the event.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import WebSocket from 'ws';
import { api } from '../support/api.ts';
import type { Acknowledgement, Delivery, ListenerRecord } from '../support/history-checks.ts';
import type { Recorder } from './recorder.ts';

export interface RtmClientOptions {
  readonly name: string;
  readonly user: string;
  readonly token: string;
  readonly channels: ReadonlySet<string>;
  /** Whose presence it follows. */
  readonly watches: readonly string[];
  readonly apis: () => readonly string[];
  readonly recorder: Recorder;
}

type Frame = Readonly<Record<string, unknown>>;
type Answer = Acknowledgement | 'again';
type Posted = { readonly text: string; readonly channel: string; settle(answer: Answer): void };

const pingEveryMs = 500;
const silenceMs = 3_000;
const retryWaitMs = 40;
const answerWaitMs = 7_000;

export class RtmClient {
  readonly #options: RtmClientOptions;
  readonly #cursors = new Map<string, number>();
  readonly #start = new Map<string, number>();
  readonly #deliveries: Delivery[] = [];
  readonly #online: { fromMs: number; toMs: number }[] = [];
  /** By frame id, of this session. One that was given up stays: a late answer tells of the stream all the same. */
  readonly #posted = new Map<number, Posted>();
  readonly #ended: Promise<void>;
  #socket: WebSocket | undefined;
  #resumeId = 0;
  #live = false;
  #sessions = 0;
  #frames = 0;
  #stopping = false;
  #webapp = 0;

  constructor(options: RtmClientOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  get live(): boolean {
    return this.#live;
  }

  record(): ListenerRecord {
    const { name, user } = this.#options;
    const toMs = this.#options.recorder.now();
    const online = this.#online.map((span) => (span.toMs === Infinity ? { ...span, toMs } : span));
    return { name, user, start: this.#start, deliveries: this.#deliveries, online };
  }

  /** The last seq of a channel that it has seen. */
  cursor(channel: string): number {
    return this.#cursors.get(channel) ?? 0;
  }

  /** Cuts its connection, as a lost network does. */
  cut(): void {
    this.#socket?.terminate();
  }

  /** Resolves when the post stands in the log (R2). */
  async post(channel: string, text: string): Promise<Acknowledgement> {
    const clientMsgId = randomUUID();
    for (;;) {
      const answer = await this.#attempt(channel, text, clientMsgId);
      if (answer !== 'again') return answer;
      await wait(retryWaitMs);
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#socket?.close();
    await this.#ended;
  }

  #attempt(channel: string, text: string, clientMsgId: string): Promise<Answer> {
    if (!this.#live) return Promise.resolve('again');
    return new Promise((resolve) => {
      const id = this.#send({ type: 'message', channel, text, client_msg_id: clientMsgId });
      const overdue = setTimeout(() => settle('again'), answerWaitMs);
      const settle = (answer: Answer) => {
        clearTimeout(overdue);
        resolve(answer);
      };
      this.#posted.set(id, { text, channel, settle });
    });
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const why = await this.#session().catch((error: unknown) => (error as Error).message);
      this.#live = false;
      for (const { settle } of this.#posted.values()) settle('again');
      this.#posted.clear();
      if (!this.#stopping) this.#options.recorder.incident(this.#options.name, `rtm ${why}`);
      if (!this.#stopping) await wait(retryWaitMs);
    }
  }

  /** Resolves with why it ended. */
  async #session(): Promise<string> {
    const apis = this.#options.apis();
    const base = apis[this.#webapp++ % apis.length] ?? '';
    const { url } = await api(base, 'rtm.connect', this.#options.token, { resume: '1' }).catch((error: unknown) => {
      const { message, cause } = error as { message: string; cause?: { code?: string } };
      throw new Error(`connect: ${cause?.code ?? message}`, { cause: error });
    });
    const socket = new WebSocket(String(url), { handshakeTimeout: silenceMs });
    this.#socket = socket;
    if (this.#stopping) socket.close();
    return await this.#follow(socket);
  }

  #follow(socket: WebSocket): Promise<string> {
    const { recorder } = this.#options;
    const session = this.#sessions++;
    let heardMs = recorder.now();
    let failure = '';
    const watch = setInterval(() => {
      if (recorder.now() - heardMs > silenceMs) {
        failure = 'silence';
        socket.terminate();
      } else if (this.#live) this.#send({ type: 'ping' });
    }, pingEveryMs);
    socket.on('message', (data) => {
      heardMs = recorder.now();
      this.#take(JSON.parse((data as Buffer).toString()) as Frame, session);
    });
    socket.on('error', (error: Error & { code?: string }) => (failure = error.code ?? error.message));
    return new Promise((resolve) => {
      socket.on('close', (code) => {
        clearInterval(watch);
        const span = this.#online.at(-1);
        if (span?.toMs === Infinity) span.toMs = recorder.now();
        resolve(failure === '' ? `closed ${code}` : failure);
      });
    });
  }

  #send(frame: Frame): number {
    const id = ++this.#frames;
    this.#socket?.send(JSON.stringify({ id, ...frame }));
    return id;
  }

  #take(frame: Frame, session: number): void {
    const { type } = frame;
    if (type === 'hello') return this.#greet(frame);
    if (type === 'presence_change') return this.#notePresence(frame);
    if (type === 'resync') return this.#noteResync(frame, session);
    if (frame['reply_to'] !== undefined) return this.#takeReply(frame, session);
    if (typeof frame['seq'] !== 'number') return;
    const stream = String(frame['stream'] ?? frame['channel']);
    this.#note(stream, frame['seq'], String(frame['text']), 'event', session);
  }

  #greet(frame: Frame): void {
    const cursors = (frame['cursors'] ?? {}) as Record<string, number>;
    if (this.#start.size === 0) {
      for (const [stream, seq] of Object.entries(cursors)) {
        this.#cursors.set(stream, seq);
        if (this.#options.channels.has(stream)) this.#start.set(stream, seq);
      }
    }
    this.#online.push({ fromMs: this.#options.recorder.now(), toMs: Infinity });
    this.#resumeId = this.#send({ type: 'resume', cursors: Object.fromEntries(this.#cursors) });
  }

  #takeReply(frame: Frame, session: number): void {
    const id = Number(frame['reply_to']);
    if (id === this.#resumeId) {
      this.#live = true;
      if (this.#options.watches.length > 0) this.#send({ type: 'presence_sub', ids: this.#options.watches });
      return;
    }
    const pending = this.#posted.get(id);
    if (pending === undefined) return;
    this.#posted.delete(id);
    if (frame['ok'] !== true) {
      this.#options.recorder.incident(this.#options.name, `rtm refused ${JSON.stringify(frame['error'])}`);
      return pending.settle('again');
    }
    const seq = Number(frame['seq']);
    this.#note(pending.channel, seq, pending.text, 'ack', session);
    pending.settle({ atMs: this.#options.recorder.now(), seq, ts: String(frame['ts']) });
  }

  #note(stream: string, seq: number, text: string, kind: 'event' | 'ack', session: number): void {
    this.#cursors.set(stream, Math.max(seq, this.#cursors.get(stream) ?? 0));
    if (!this.#options.channels.has(stream)) return;
    this.#deliveries.push({ channel: stream, seq, atMs: this.#options.recorder.now(), session, text, kind });
  }

  #noteResync(frame: Frame, session: number): void {
    const [channel, seq] = [String(frame['channel']), Number(frame['from'])];
    this.#options.recorder.incident(this.#options.name, 'rtm resync');
    this.#deliveries.push({ channel, seq, atMs: this.#options.recorder.now(), session, text: '', kind: 'resync' });
  }

  #notePresence(frame: Frame): void {
    const users = (frame['users'] ?? [frame['user']]) as string[];
    const atMs = this.#options.recorder.now();
    for (const user of users) {
      this.#options.recorder.presence.push({ user, presence: String(frame['presence']), atMs });
    }
  }
}
