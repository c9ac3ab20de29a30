/**
 * One client of a fan-out as the load sees it, whatever it speaks: it is ready when the server will send it every message
 * from then on, and hands out the message's own bytes without what its protocol puts around them.
 */
import { NatsSubscriber } from './peers/nats-subscriber.ts';
import { socketIoFrames } from './peers/socket-io-frames.ts';
import { WsClient } from './ws-client.ts';

/** `plain`: WebSocket frames that are messages, after a greeting. */
export type Wire = 'plain' | 'socket.io' | 'nats';

export type SubscriberHandlers = {
  /** Something was read; the messages in it follow. */
  readonly onRead: () => void;
  /** What was read, if it begins with a frame. True: it is known, and its messages do not follow. */
  readonly isEcho: (buffer: Buffer, length: number) => boolean;
  /** A message; its bytes are only valid during the call. */
  readonly onMessage: (buffer: Buffer, start: number, end: number) => void;
  readonly onClose: (reason: string) => void;
};

export type Subscriber = { close(): void };

/** What a text frame is to a protocol over WebSocket. */
export type FrameKind = 'greeting' | 'message' | { readonly answer: string };

export type FrameProtocol = {
  /** Bytes of a message's frame before and behind the message. */
  readonly headBytes: number;
  readonly tailBytes: number;
  /** @throws Error for a frame that has no place here */
  kindOf(greeted: boolean, buffer: Buffer, start: number, end: number): FrameKind;
};

const plainFrames: FrameProtocol = {
  headBytes: 0,
  tailBytes: 0,
  kindOf: (greeted) => (greeted ? 'message' : 'greeting'),
};

/** `channel`: what to subscribe to, where that is the client's to say. Resolves when it is ready. */
export function openSubscriber(
  wire: Wire,
  url: string,
  channel: string,
  handlers: SubscriberHandlers,
): Promise<Subscriber> {
  switch (wire) {
    case 'plain':
      return openFrames(plainFrames, url, handlers);
    case 'socket.io':
      return openFrames(socketIoFrames, url, handlers);
    case 'nats':
      return NatsSubscriber.open(url, channel, handlers);
  }
}

function openFrames(protocol: FrameProtocol, url: string, handlers: SubscriberHandlers): Promise<Subscriber> {
  const { headBytes, tailBytes } = protocol;
  return new Promise((resolve, reject) => {
    let greeted = false;
    const opening = WsClient.open(url, {
      onRead: handlers.onRead,
      isEcho: handlers.isEcho,
      onText(buffer, start, end) {
        const kind = protocol.kindOf(greeted, buffer, start, end);
        if (kind === 'message') return handlers.onMessage(buffer, start + headBytes, end - tailBytes);
        if (kind !== 'greeting') return void opening.then((client) => client.send(kind.answer));
        greeted = true;
        opening.then(resolve, reject);
      },
      onClose(reason) {
        handlers.onClose(reason);
        reject(new Error(reason));
      },
    });
    opening.catch(reject);
  });
}
