/**
 * One connection of a session: connects with resume=1, says where the session was, and hands what comes to its ledger.
 *
 * Y1  A `resync`, or a close while it is live that nobody asked to be told of, is a failure of the session.
 * Y2  An end before it is live is told by the promise: the client may come again.
 */
import type { Cursors, SessionLedger } from './session-ledger.ts';
import { WsClient } from './ws-client.ts';

export type Resumed = {
  /** From the attempt to connect. */
  readonly helloMs: number;
  readonly doneMs: number;
  readonly events: number;
};

/** Frames that are no messages, as far as the load looks at them. */
export type OtherFrame = {
  readonly type?: string;
  readonly channel?: unknown;
  readonly stream?: unknown;
  readonly seq?: unknown;
  readonly user?: unknown;
  readonly users?: unknown;
  readonly reply_to?: number;
};

/** Who wants to know more than the ledger does. */
export type FrameSink = {
  readonly onRead?: () => void;
  /** `frame` is the JSON; `live`: not replayed. */
  readonly onMessage?: (channel: string, seq: number, frame: string, live: boolean) => void;
  readonly onOther?: (frame: OtherFrame) => void;
  /** The server, or the network, ended it while it was live. */
  readonly onClose?: (reason: string) => void;
};

const replyId = 1;
/** They fit into the 64 KiB that our frames may have. */
const cursorsPerFrame = 2_000;
const seqKey = '"seq":';
const messageHead = '{"type":"message","channel":"';

export class ResumeClient {
  readonly #user: string;
  readonly #ledger: SessionLedger;
  /** Where the session was before. */
  readonly #cursors: Cursors;
  readonly #nowMs: () => number;
  readonly #sink: FrameSink;
  readonly #startMs: number;
  #socket: WsClient | undefined;
  #helloMs = 0;
  #events = 0;
  #phase: 'connecting' | 'resuming' | 'live' = 'connecting';
  #settle: { resolve(resumed: Resumed): void; reject(error: Error): void } | undefined;

  /** `user`: whose own joins and leaves move the ledger; `nowMs` is monotonic. */
  constructor(user: string, ledger: SessionLedger, nowMs: () => number, sink: FrameSink = {}) {
    this.#user = user;
    this.#ledger = ledger;
    this.#cursors = ledger.cursors();
    this.#nowMs = nowMs;
    this.#sink = sink;
    this.#startMs = nowMs();
  }

  /** Events that it got so far. */
  get events(): number {
    return this.#events;
  }

  /** Resolves when the server says that everything missed was sent. */
  open(url: string): Promise<Resumed> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      const opening = WsClient.open(url, {
        onRead: () => this.#sink.onRead?.(),
        onText: (buffer, start, end) => this.#take(buffer.toString('latin1', start, end)),
        onClose: (reason) => this.#end(reason),
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

  /** Only while it is live. */
  send(frame: Readonly<Record<string, unknown>>): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  close(): void {
    this.#settle = undefined;
    this.#socket?.close();
  }

  #take(text: string): void {
    if (this.#phase === 'connecting') return this.#hello(text);
    if (!text.startsWith(messageHead)) return this.#takeOther(JSON.parse(text) as OtherFrame);
    const channel = text.slice(messageHead.length, text.indexOf('"', messageHead.length));
    const seq = Number(text.slice(text.lastIndexOf(seqKey) + seqKey.length, -1));
    this.#events += 1;
    this.#ledger.take({ stream: channel, seq });
    this.#sink.onMessage?.(channel, seq, text, this.#phase === 'live');
  }

  #takeOther(frame: OtherFrame): void {
    if (frame.type === 'resync') this.#ledger.fail('got a resync');
    if (typeof frame.seq === 'number') {
      this.#events += 1;
      this.#ledger.take({ stream: String(frame.stream ?? frame.channel), seq: frame.seq, own: this.#ownChange(frame) });
    }
    if (frame.reply_to === replyId) this.#done();
    this.#sink.onOther?.(frame);
  }

  #ownChange({ type, user }: OtherFrame): 'join' | 'leave' | undefined {
    if (user !== this.#user) return undefined;
    if (type === 'member_joined_channel') return 'join';
    return type === 'member_left_channel' ? 'leave' : undefined;
  }

  #hello(text: string): void {
    const frame = JSON.parse(text) as { type?: string; cursors?: Cursors };
    if (frame.type !== 'hello' || frame.cursors === undefined) return this.#end(`no hello: ${text.slice(0, 80)}`);
    this.#phase = 'resuming';
    this.#helloMs = this.#nowMs() - this.#startMs;
    this.#ledger.greet(frame.cursors);
    this.#resume();
  }

  #resume(): void {
    const cursors = Object.entries(this.#cursors);
    for (let from = 0; from === 0 || from < cursors.length; from += cursorsPerFrame) {
      const part = Object.fromEntries(cursors.slice(from, from + cursorsPerFrame));
      this.send({ id: replyId, type: 'resume', cursors: part, last: from + cursorsPerFrame >= cursors.length });
    }
  }

  #done(): void {
    this.#phase = 'live';
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve({ helloMs: this.#helloMs, doneMs: this.#nowMs() - this.#startMs, events: this.#events });
  }

  #end(reason: string): void {
    const settle = this.#settle;
    this.#settle = undefined;
    if (settle !== undefined) settle.reject(new Error(reason));
    else if (this.#sink.onClose !== undefined) this.#sink.onClose(reason);
    else this.#ledger.fail(reason);
  }
}
