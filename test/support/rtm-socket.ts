/** One RTM socket as a test holds it: every frame that came, and waiting for the one that matters. */
import WebSocket from 'ws';
import { api } from './api.ts';

export type Frame = Record<string, unknown> & { readonly type?: string };

export class RtmSocket {
  readonly frames: Frame[] = [];
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;
  readonly #waiting = new Set<() => void>();
  #nextId = 1;
  #listener: ((frame: Frame) => void) | undefined;

  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#socket.on('error', () => undefined);
    this.#socket.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as Frame;
      this.frames.push(frame);
      this.#listener?.(frame);
      for (const look of [...this.#waiting]) look();
    });
    this.closed = new Promise((resolve) => this.#socket.on('close', (code) => resolve(code)));
  }

  /** Opens a session of the token's user; with `cursors` it resumes from them. Resolves once it is live. */
  static async connect(base: string, token: string, cursors?: Record<string, number>): Promise<RtmSocket> {
    const { url } = await api(base, 'rtm.connect', token, cursors === undefined ? {} : { resume: '1' });
    const socket = new RtmSocket(String(url));
    await socket.frame((frame) => frame.type === 'hello');
    if (cursors !== undefined) {
      const id = socket.send({ type: 'resume', cursors });
      const reply = await socket.frame((frame) => frame['reply_to'] === id);
      if (reply['ok'] !== true) throw new Error(`the resume was refused: ${JSON.stringify(reply)}`);
    }
    return socket;
  }

  /** Called with each frame as it comes. */
  listen(listener: (frame: Frame) => void): void {
    this.#listener = listener;
  }

  /** Sends a frame with the next id, which it returns. */
  send(frame: Frame): number {
    const id = this.#nextId++;
    this.#socket.send(JSON.stringify({ id, ...frame }));
    return id;
  }

  sendRaw(text: string | Buffer): void {
    this.#socket.send(text);
  }

  /** The first frame, past or future, that satisfies the condition; rejects when the socket closes before it came. */
  frame(accept: (frame: Frame) => boolean): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.frames.find(accept);
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      void this.closed.then((code) => reject(new Error(`closed with ${code} before the frame came`)));
      look();
    });
  }

  /** The messages of one channel so far, in the order in which they came. */
  messages(channel: string): Frame[] {
    return this.frames.filter((frame) => frame.type === 'message' && frame['channel'] === channel);
  }

  close(): void {
    this.#socket.close();
  }

  /** Cuts the connection without a word, as a lost network does. */
  cut(): void {
    this.#socket.terminate();
  }
}
