/**
 * One session of the resume scenario: connects with resume=1, says where it was, and checks what comes until the server
 * says that it has caught up.
 *
 * Y1  Per stream it takes seq after seq from its cursor on, and at the end it must stand at the expected tail. A hole, a
 *     double, a `resync` or a close is a failure.
 */
import { WsClient } from './ws-client.ts';

export type Cursors = Readonly<Record<string, number>>;

export type Resumed = {
  /** From the attempt to connect. */
  readonly helloMs: number;
  readonly doneMs: number;
  readonly events: number;
};

const replyId = 1;
const seqKey = '"seq":';
const messageHead = '{"type":"message","channel":"';

export class ResumeClient {
  readonly #places = new Map<string, number>();
  readonly #nowMs: () => number;
  readonly #cursors: Cursors;
  readonly #startMs: number;
  #socket: WsClient | undefined;
  #helloMs = 0;
  #events = 0;
  #phase: 'connecting' | 'resuming' | 'live' = 'connecting';
  #failure: string | undefined;
  #settle: { resolve(resumed: Resumed): void; reject(error: Error): void } | undefined;

  /** Opens `url` and goes on from `cursors`; `nowMs` is monotonic. */
  constructor(cursors: Cursors, nowMs: () => number) {
    this.#cursors = cursors;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
  }

  /** Where it stands on each stream that hello or a frame named. */
  cursors(): Cursors {
    return Object.fromEntries(this.#places);
  }

  /** Events that it got so far. */
  get events(): number {
    return this.#events;
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  /** Resolves when the server says that everything missed was sent. */
  open(url: string): Promise<Resumed> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      const opening = WsClient.open(url, {
        onRead: () => undefined,
        onText: (buffer, start, end) => this.#take(buffer.toString('latin1', start, end)),
        onClose: (reason) => this.#fail(reason),
      });
      opening.then(
        (socket) => {
          this.#socket = socket;
          if (this.#phase === 'resuming') this.#resume();
        },
        (error: unknown) => reject(error instanceof Error ? error : new Error(String(error))),
      );
    });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket?.close();
  }

  /** Names what is not as it should be, given each stream's tail. */
  missing(tails: Cursors): string | undefined {
    for (const [stream, tail] of Object.entries(tails)) {
      const place = this.#places.get(stream);
      if (place !== undefined && place !== tail) return `stands at ${place} where ${tail} was the tail`;
    }
    return undefined;
  }

  #take(text: string): void {
    if (this.#phase === 'connecting') return this.#hello(text);
    const stream = text.startsWith(messageHead)
      ? text.slice(messageHead.length, text.indexOf('"', messageHead.length))
      : undefined;
    if (stream !== undefined)
      return this.#event(stream, Number(text.slice(text.lastIndexOf(seqKey) + seqKey.length, -1)));
    const frame = JSON.parse(text) as {
      type?: string;
      channel?: unknown;
      stream?: unknown;
      seq?: unknown;
      reply_to?: number;
    };
    if (frame.type === 'resync') this.#failure ??= 'got a resync';
    if (typeof frame.seq === 'number') return this.#event(String(frame.stream ?? frame.channel), frame.seq);
    if (frame.reply_to === replyId) this.#done();
  }

  #hello(text: string): void {
    const frame = JSON.parse(text) as { type?: string; cursors?: Cursors };
    if (frame.type !== 'hello' || frame.cursors === undefined) return this.#fail(`no hello: ${text.slice(0, 80)}`);
    for (const [stream, seq] of Object.entries(frame.cursors)) this.#places.set(stream, this.#cursors[stream] ?? seq);
    this.#helloMs = this.#nowMs() - this.#startMs;
    this.#phase = 'resuming';
    this.#resume();
  }

  #resume(): void {
    this.#socket?.send(JSON.stringify({ id: replyId, type: 'resume', cursors: this.#cursors }));
  }

  #event(stream: string, seq: number): void {
    const place = this.#places.get(stream) ?? 0;
    if (seq !== place + 1) this.#failure ??= `got seq ${seq} of a stream where ${place + 1} was next`;
    this.#places.set(stream, seq);
    this.#events += 1;
  }

  #done(): void {
    this.#phase = 'live';
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve({ helloMs: this.#helloMs, doneMs: this.#nowMs() - this.#startMs, events: this.#events });
  }

  #fail(reason: string): void {
    const settle = this.#settle;
    // Before it is live, an end is told by the promise: the client may come again.
    if (settle === undefined) this.#failure ??= reason;
    this.#settle = undefined;
    settle?.reject(new Error(reason));
  }
}
