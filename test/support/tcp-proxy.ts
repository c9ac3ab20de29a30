/**
 * A TCP proxy that misbehaves on demand: what a network does between a process and its broker.
 *
 * P1  A direction that is cut is silent, not closed: bytes that arrive are kept back, as by a router that lost its way,
 *     and go on in order when the cut is healed, if the other end is still there. The end of a connection is kept back too.
 * P2  Slow means a delay for each chunk and a bound on bytes per second, in both directions, in order; of all connections,
 *     or of those whose client named itself so in what it sent first.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

export type Direction = 'up' | 'down';

export interface Slowness {
  readonly delayMs: number;
  readonly bytesPerSecond: number;
  /** Part of what a client sends first, such as its name. Absent: every connection is slow. */
  readonly only?: string;
}

interface Conversation {
  readonly client: Socket;
  readonly server: Socket;
  /** What the client sent first. */
  opening: string;
}

export class TcpProxy {
  readonly port: number;
  readonly #listener: Server;
  readonly #conversations = new Set<Conversation>();
  readonly #cut = new Set<Direction>();
  readonly #onHealed = new Set<() => void>();
  #slowness: Slowness | undefined;

  /** Listens on a free port of loopback and forwards to `port`. */
  static async start(port: number): Promise<TcpProxy> {
    const listener = createServer();
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    return new TcpProxy(listener, port);
  }

  private constructor(listener: Server, target: number) {
    this.#listener = listener;
    this.port = (listener.address() as { port: number }).port;
    listener.on('connection', (client) => this.#accept(client, target));
  }

  /** P1. `up`: towards the target. */
  cut(...directions: readonly Direction[]): void {
    for (const direction of directions) this.#cut.add(direction);
  }

  /** P2 */
  slow(slowness: Slowness): void {
    this.#slowness = slowness;
  }

  /** As if nothing had been. */
  heal(): void {
    this.#cut.clear();
    this.#slowness = undefined;
    for (const wake of this.#onHealed) wake();
    this.#onHealed.clear();
  }

  async stop(): Promise<void> {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    for (const { client, server } of this.#conversations) {
      client.destroy();
      server.destroy();
    }
    this.heal();
    await closed;
  }

  #accept(client: Socket, target: number): void {
    const server = connect({ host: '127.0.0.1', port: target, noDelay: true });
    client.setNoDelay(true);
    const conversation = { client, server, opening: '' };
    this.#conversations.add(conversation);
    void this.#pump(conversation, 'up');
    void this.#pump(conversation, 'down');
    for (const socket of [client, server]) socket.on('error', () => undefined);
    client.once('close', () => void this.#end(conversation, server, 'up'));
    server.once('close', () => void this.#end(conversation, client, 'down'));
  }

  /** One side is gone. The other one hears of it when the way there is not cut (P1). */
  async #end(conversation: Conversation, other: Socket, direction: Direction): Promise<void> {
    while (this.#cut.has(direction) && !other.destroyed) await this.#healed(other);
    other.destroy();
    this.#conversations.delete(conversation);
  }

  async #pump(conversation: Conversation, direction: Direction): Promise<void> {
    const { client, server } = conversation;
    const [from, to] = direction === 'up' ? [client, server] : [server, client];
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        if (direction === 'up') conversation.opening ||= chunk.toString('latin1');
        const slowness = this.#slownessOf(conversation);
        if (slowness !== undefined) await wait(slowness.delayMs + (chunk.length / slowness.bytesPerSecond) * 1_000);
        while (this.#cut.has(direction) && !to.destroyed) await this.#healed(to);
        if (to.destroyed) return;
        if (!to.write(chunk)) await writable(to);
      }
    } catch {
      // The socket failed; its close says so to the other side.
    }
  }

  #slownessOf({ opening }: Conversation): Slowness | undefined {
    const only = this.#slowness?.only;
    return only === undefined || opening.includes(only) ? this.#slowness : undefined;
  }

  /** Resolves when something has changed: the cut is healed, or nobody is there any more to hear of it. */
  #healed(to: Socket): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#onHealed.delete(wake);
        to.removeListener('close', wake);
        resolve();
      };
      this.#onHealed.add(wake);
      to.once('close', wake);
    });
  }
}

/** Resolves when more can be written, or never can. */
async function writable(socket: Socket): Promise<void> {
  const either = new AbortController();
  const { signal } = either;
  const ways = [once(socket, 'drain', { signal }), once(socket, 'close', { signal })];
  for (const way of ways) way.catch(() => undefined);
  await Promise.race(ways).finally(() => either.abort());
}
