/**
 * A connection of a load client: what arrives is read into one buffer that all sockets of the process share, so that reading costs
 * no allocation. A general client costs more per message than the server it measures.
 *
 * Z1  The bytes are only valid during the call: libuv hands the buffer over before it fills it again.
 * Z2  The end of the connection is told once, with its reason; never after close().
 */
import type { Socket } from 'node:net';
import { connectReading } from './load-socket.ts';

const readBytes = 256 * 1_024;
const shared = Buffer.allocUnsafe(readBytes);

export type RawHandlers = {
  /** The first `length` bytes of `buffer` came (Z1). What it throws ends the connection. */
  readonly onBytes: (buffer: Buffer, length: number) => void;
  readonly onEnd: (reason: string) => void;
};

export class RawSocket {
  readonly #socket: Socket;
  readonly #handlers: RawHandlers;
  #closed = false;

  constructor(url: URL, handlers: RawHandlers) {
    this.#handlers = handlers;
    const onread = { buffer: shared, callback: (length: number, bytes: Uint8Array) => this.#read(bytes, length) };
    this.#socket = connectReading(url, onread);
    this.#socket.on('error', (error) => this.end(`socket error: ${error.message}`));
    this.#socket.on('close', () => this.end('connection closed'));
  }

  write(bytes: Buffer | string): void {
    this.#socket.write(bytes);
  }

  /** Ends the connection for a reason that its owner is to hear. */
  end(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.#handlers.onEnd(reason);
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  #read(bytes: Uint8Array, length: number): boolean {
    try {
      this.#handlers.onBytes(bytes as Buffer, length);
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
    }
    return true;
  }
}
