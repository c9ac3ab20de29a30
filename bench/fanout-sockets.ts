/** A load process of the fan-out scenario: its share of the sockets, and what they received. */
import { systemClock } from '../platform/clock.ts';
import { callAll } from './api-client.ts';
import { DeliveryCounter, type DeliveryReport } from './delivery-counter.ts';
import { serveLoad } from './load-server.ts';
import { machineClock } from './machine-clock.ts';
import { openSubscriber, type Subscriber, type Wire } from './subscriber.ts';

export type FanoutSockets = {
  /** One RTM session per token; resolves when all are open. */
  readonly connect: {
    readonly params: { api: string; channel: string; tokens: readonly string[] };
    readonly result: null;
  };
  /** Sockets of a peer, which need no ticket. */
  readonly connectTo: {
    readonly params: { wire: Wire; url: string; channel: string; count: number };
    readonly result: null;
  };
  /** How many sockets have seen `seq` or a later one. */
  readonly reached: { readonly params: { seq: number }; readonly result: number };
  readonly deliveries: { readonly params: null; readonly result: number };
  readonly report: { readonly params: null; readonly result: DeliveryReport };
  readonly sampleFrame: { readonly params: null; readonly result: string | null };
  readonly disconnect: { readonly params: null; readonly result: null };
};

/** Upgrades at a time: a listen queue is not what is measured. */
const upgradesMax = 32;
const machine = machineClock(systemClock);

let counter = new DeliveryCounter('');
let sockets: Subscriber[] = [];
serveLoad<FanoutSockets>({
  async connect({ api, channel, tokens }) {
    const answers = await callAll(
      api,
      tokens.map((token) => ({ method: 'rtm.connect', token, fields: {} })),
    );
    const urls = answers.map((answer) => String(answer['url']));
    await openAll(channel, urls, (url) => openOne('plain', url, channel));
    return null;
  },
  async connectTo({ wire, url, channel, count }) {
    const urls = Array.from({ length: count }, () => url);
    await openAll(channel, urls, () => openOne(wire, url, channel));
    return null;
  },
  reached: ({ seq }) => counter.reached(seq),
  deliveries: () => counter.deliveries,
  report: () => counter.report(),
  sampleFrame: () => counter.sampleFrame ?? null,
  disconnect() {
    for (const socket of sockets) socket.close();
    sockets = [];
    return null;
  },
});

async function openAll(
  channel: string,
  urls: readonly string[],
  open: (url: string) => Promise<Subscriber>,
): Promise<void> {
  counter = new DeliveryCounter(channel);
  let next = 0;
  const work = async () => {
    for (let url = urls[next++]; url !== undefined; url = urls[next++]) sockets.push(await open(url));
  };
  await Promise.all(Array.from({ length: upgradesMax }, work));
}

/** Resolves when the server has greeted it: only then does it get messages. */
function openOne(wire: Wire, url: string, channel: string): Promise<Subscriber> {
  const into = counter;
  const subscriber = into.subscriber();
  return openSubscriber(wire, url, channel, {
    onRead: () => into.beginRead(machine.nowUs()),
    isEcho: (buffer, length) => into.takeEcho(subscriber, buffer, length),
    onMessage: (buffer, start, end) => into.take(subscriber, buffer, start, end),
    onClose: (reason) => into.fail(`a socket ended: ${reason}`),
  });
}
