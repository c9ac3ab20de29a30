/** A core NATS subscriber over TCP, as cheap as the WebSocket clients: one connection, one subscription. */
import { RawSocket } from '../raw-socket.ts';
import type { SubscriberHandlers } from '../subscriber.ts';
import { NatsReader } from './nats-reader.ts';

/** No answers to what succeeds, and no check of subjects: what every client library sends. */
export const natsConnect = 'CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1","protocol":1}\r\n';

export class NatsSubscriber {
  readonly #socket: RawSocket;

  /** Resolves when the server has the subscription: its answer to a ping sent behind it is there. */
  static open(url: string, subject: string, handlers: SubscriberHandlers): Promise<NatsSubscriber> {
    return new Promise((resolve, reject) => {
      const subscriber: NatsSubscriber = new NatsSubscriber(url, subject, () => resolve(subscriber), {
        ...handlers,
        onClose: (reason) => {
          handlers.onClose(reason);
          reject(new Error(reason));
        },
      });
    });
  }

  private constructor(url: string, subject: string, onReady: () => void, handlers: SubscriberHandlers) {
    const reader = new NatsReader({
      onMessage: handlers.onMessage,
      onPing: () => this.#socket.write('PONG\r\n'),
      onPong: onReady,
    });
    this.#socket = new RawSocket(new URL(url), {
      onBytes(buffer, length) {
        handlers.onRead();
        if (reader.isBetweenFrames && handlers.isEcho(buffer, length)) return;
        reader.push(buffer, length);
      },
      onEnd: handlers.onClose,
    });
    this.#socket.write(`${natsConnect}SUB ${subject} 1\r\nPING\r\n`);
  }

  close(): void {
    this.#socket.close();
  }
}
