/** A load process of the connections scenario: opens its share of the sessions, and keeps them open and idle. */
import { systemClock } from '../platform/clock.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { serveLoad } from './load-server.ts';
import { ticketOf } from './session-tickets.ts';
import { WsClient } from './ws-client.ts';

export type ConnectionsClients = {
  /** Sessions of users from, from + every, from + 2 every … below `upTo`; resolves when each has had its hello. */
  readonly open: {
    readonly params: {
      readonly port: number;
      readonly wallAheadMs: number;
      readonly secret: string;
      readonly gateway: Incarnation;
      readonly from: number;
      readonly upTo: number;
      readonly every: number;
    };
    readonly result: null;
  };
  /** Sessions that are open; what ended any of them. */
  readonly check: {
    readonly params: null;
    readonly result: { readonly open: number; readonly ended: readonly string[] };
  };
  readonly close: { readonly params: null; readonly result: null };
};

const openingMax = 64;
const endedMax = 20;
let sockets: WsClient[] = [];
const ended: string[] = [];

serveLoad<ConnectionsClients>({
  async open({ port, wallAheadMs, secret, gateway, from, upTo, every }) {
    let next = from;
    const work = async (): Promise<void> => {
      for (let user = next; user < upTo; user = next) {
        next += every;
        const ticket = ticketOf(user, secret, gateway, systemClock.wallMs() - wallAheadMs);
        await openOne(`ws://127.0.0.1:${port}/websocket/${ticket}`);
      }
    };
    await Promise.all(Array.from({ length: openingMax }, work));
    return null;
  },
  check: () => ({ open: sockets.length - ended.length, ended: ended.slice(0, endedMax) }),
  close() {
    for (const socket of sockets) socket.close();
    sockets = [];
    return null;
  },
});

function openOne(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (reason: string): void => {
      ended.push(reason);
      reject(new Error(`a session ended: ${reason}`));
    };
    WsClient.open(url, { onRead: () => undefined, onText: () => resolve(), onClose }).then(
      (socket) => sockets.push(socket),
      reject,
    );
  });
}
