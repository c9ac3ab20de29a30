/**
 * A WebSocket client for load: the handshake, then raw frames (raw-socket.ts).
 *
 * W1  Nothing is allocated per frame. Protocol pings are answered; a close, an error or the end of the stream is told
 *     once, with the reason.
 */
import { randomBytes } from 'node:crypto';
import { clientFrame, FrameReader, opcodes, type FrameSink } from './frame-reader.ts';
import { RawSocket } from './raw-socket.ts';

const headEnd = '\r\n\r\n';
const headBytesMax = 16 * 1_024;

export type WsHandlers = {
  /** Something was read: the frames in it, if it completes any, follow. One look at the clock serves them all. */
  readonly onRead: () => void;
  /** What was read, if it begins with a frame. True: it is known, and its frames do not follow. */
  readonly isEcho?: (buffer: Buffer, length: number) => boolean;
  /** A text frame. The bytes are only valid during the call. */
  readonly onText: (buffer: Buffer, start: number, end: number) => void;
  readonly onClose: (reason: string) => void;
};

export class WsClient {
  readonly #socket: RawSocket;
  readonly #handlers: WsHandlers;
  readonly #reader: FrameReader;
  #head: Buffer | undefined = Buffer.alloc(0);
  #onOpen: (() => void) | undefined;

  /** Resolves when the server has accepted the upgrade. */
  static open(url: string, handlers: WsHandlers): Promise<WsClient> {
    return new Promise((resolve, reject) => {
      const client: WsClient = new WsClient(url, {
        ...handlers,
        onClose: (reason) => {
          reject(new Error(reason));
          handlers.onClose(reason);
        },
      });
      client.#onOpen = () => resolve(client);
    });
  }

  private constructor(url: string, handlers: WsHandlers) {
    const place = new URL(url);
    this.#handlers = handlers;
    this.#reader = new FrameReader(this.#frame);
    this.#socket = new RawSocket(place, {
      onBytes: (buffer, length) => this.#read(buffer, length),
      onEnd: handlers.onClose,
    });
    this.#socket.write(upgradeRequest(place.host, `${place.pathname}${place.search}`));
  }

  send(text: string): void {
    this.#socket.write(clientFrame(opcodes.text, Buffer.from(text)));
  }

  close(): void {
    this.#socket.close();
  }

  #read(buffer: Buffer, length: number): void {
    this.#handlers.onRead();
    if (this.#head !== undefined) return this.#readHead(Buffer.concat([this.#head, buffer.subarray(0, length)]));
    if (this.#reader.isBetweenFrames && this.#handlers.isEcho?.(buffer, length) === true) return;
    this.#reader.push(buffer, length);
  }

  #readHead(head: Buffer): void {
    const end = head.indexOf(headEnd);
    this.#head = head;
    if (head.length > headBytesMax) throw new Error('websocket: the answer to the upgrade is too long');
    if (end < 0) return;
    const status = head.subarray(0, head.indexOf('\r\n')).toString('latin1');
    if (!status.startsWith('HTTP/1.1 101')) throw new Error(`websocket: upgrade refused: ${status}`);
    this.#head = undefined;
    this.#onOpen?.();
    const rest = head.subarray(end + headEnd.length);
    if (rest.length > 0) this.#reader.push(rest, rest.length);
  }

  readonly #frame: FrameSink = (opcode, buffer, start, end) => {
    if (opcode === opcodes.text) this.#handlers.onText(buffer, start, end);
    else if (opcode === opcodes.ping) this.#socket.write(clientFrame(opcodes.pong, buffer.subarray(start, end)));
    else if (opcode === opcodes.close) this.#socket.end(`closed by the server with ${closeCode(buffer, start, end)}`);
  };
}

function closeCode(buffer: Buffer, start: number, end: number): number {
  return end - start >= 2 ? buffer.readUInt16BE(start) : 1005;
}

function upgradeRequest(host: string, path: string): string {
  const key = randomBytes(16).toString('base64');
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Upgrade: websocket', 'Connection: Upgrade'];
  return `${[...lines, `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13'].join('\r\n')}${headEnd}`;
}
