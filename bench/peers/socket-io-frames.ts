/**
 * Socket.IO's protocol as its client speaks it over WebSocket alone (Engine.IO 4): the server opens, the client joins the
 * default namespace, the server's pings are answered, events are JSON arrays.
 */
import type { FrameProtocol } from '../subscriber.ts';

/** The only event of the fan-out; its argument is the message. */
export const messageEvent = 'message';
export const socketIoPath = '/socket.io/?EIO=4&transport=websocket';

const eventHead = `42["${messageEvent}",`;
const namespaceHead = '40';
const openByte = 0x30;
const pingByte = 0x32;
const packetByte = 0x34;
const eventByte = 0x32;

export const socketIoFrames: FrameProtocol = {
  headBytes: eventHead.length,
  tailBytes: ']'.length,
  kindOf(_, buffer, start, end) {
    const first = buffer[start];
    if (first === packetByte && buffer[start + 1] === eventByte) return 'message';
    if (first === packetByte && buffer.toString('latin1', start, start + namespaceHead.length) === namespaceHead) {
      return 'greeting';
    }
    if (first === pingByte) return { answer: '3' };
    if (first === openByte) return { answer: namespaceHead };
    throw new Error(`socket.io: an unexpected packet ${buffer.toString('utf8', start, Math.min(end, start + 80))}`);
  },
};
