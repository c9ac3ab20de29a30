/**
 * One connection of a client to the in-memory server: both ends of it. What is on its way is lost with the connection;
 * the client subscribes again by itself when it is back, as nats.js does.
 *
 * M1  The client's end learns of a loss when the network lets it: a held (frozen, partitioned) client does not notice
 *     that it was kicked until it is released.
 * M2  After `close` nothing reaches the client any more.
 */
import { limits } from '../platform/limits.ts';
import type { LaneStatus } from './broker.ts';
import { type MemoryHop, type MemoryNetwork, MemoryPipe } from './memory-pipe.ts';

/** What the server does for connections. */
export interface MemoryServer {
  readonly up: boolean;
  /** A new connection's number. */
  accept(link: MemoryLink): number;
  /** The connection is gone: its subscriptions end, the system account hears of it. */
  gone(link: MemoryLink): void;
}

type Lost = 'timeout' | 'disconnected';

export class MemoryLink {
  readonly incarnation: string;
  readonly lane: string;
  readonly #network: MemoryNetwork;
  readonly #server: MemoryServer;
  readonly #toServer: MemoryPipe;
  readonly #toClient: MemoryPipe;
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<(status: LaneStatus) => void>();
  #status: LaneStatus = 'connected';
  #acceptedByServer = true;
  #held = false;
  #client: number;

  constructor(network: MemoryNetwork, server: MemoryServer, incarnation: string, lane: string) {
    this.#network = network;
    this.#server = server;
    this.incarnation = incarnation;
    this.lane = lane;
    this.#toServer = new MemoryPipe(network);
    this.#toClient = new MemoryPipe(network);
    this.#client = server.accept(this);
  }

  /** The server's number of this connection. */
  get client(): number {
    return this.#client;
  }

  /** To the server, which may know better than the client (M1). */
  get open(): boolean {
    return this.#acceptedByServer;
  }

  get connected(): boolean {
    return this.#status === 'connected';
  }

  status(): LaneStatus {
    return this.#status;
  }

  onStatus(listener: (status: LaneStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** From the client; dropped while it is disconnected. */
  toServer(kind: MemoryHop['kind'], subject: string, action: () => void): void {
    if (this.connected) this.#toServer.send(this.#hop('to-server', kind, subject), action);
  }

  /** From the server; dropped when it has closed this connection. */
  toClient(kind: MemoryHop['kind'], subject: string, action: () => void): void {
    if (this.#acceptedByServer) this.#toClient.send(this.#hop('to-client', kind, subject), action);
  }

  /** A round trip: `run` on the server, its result back. Never rejects. */
  call<T extends object>(kind: MemoryHop['kind'], subject: string, timeoutMs: number, run: () => T): Promise<T | Lost> {
    return new Promise((resolve) => {
      if (!this.connected) return resolve('disconnected');
      const settle = (result: T | Lost): void => {
        timer.cancel();
        this.#waiting.delete(lose);
        resolve(result);
      };
      const lose = (): void => settle('disconnected');
      const timer = this.#network.clock.setTimeout(() => settle('timeout'), timeoutMs);
      this.#waiting.add(lose);
      this.toServer(kind, subject, () => {
        const result = run();
        this.toClient(kind, subject, () => settle(result));
      });
    });
  }

  /** Freezes the client, or cuts it off without anybody noticing. */
  hold(): void {
    this.#held = true;
    this.#toServer.hold();
    this.#toClient.hold();
  }

  release(): void {
    this.#held = false;
    // What a kicked client wrote without knowing never arrives.
    if (!this.#acceptedByServer) this.#toServer.clear();
    this.#toServer.release();
    this.#toClient.release();
    if (!this.#acceptedByServer && this.connected) this.#lose();
  }

  /** The server closes the connection. The client comes back by itself. */
  cut(): void {
    if (!this.#acceptedByServer) return;
    this.#acceptedByServer = false;
    this.#toServer.clear();
    this.#toClient.clear();
    this.#server.gone(this);
    if (!this.#held) this.#lose();
  }

  /** The client ends it, or dies (M2). */
  close(): void {
    if (this.#status === 'closed') return;
    const accepted = this.#acceptedByServer;
    this.#acceptedByServer = false;
    this.#toServer.clear();
    this.#toClient.clear();
    if (accepted) this.#server.gone(this);
    this.#become('closed');
  }

  /** The client's process died: it hears nothing, not even that (M2). */
  crash(): void {
    this.#listeners.clear();
    this.#waiting.clear();
    this.close();
  }

  #lose(): void {
    this.#become('disconnected');
    this.#reconnectLater();
  }

  #reconnectLater(): void {
    this.#network.clock.setTimeout(() => {
      if (this.#status !== 'disconnected') return;
      if (this.#held || !this.#server.up) return this.#reconnectLater();
      this.#client = this.#server.accept(this);
      this.#acceptedByServer = true;
      this.#become('connected');
    }, limits.natsReconnectWaitMs);
  }

  #become(status: LaneStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    if (status !== 'connected') for (const lose of [...this.#waiting]) lose();
    for (const listener of [...this.#listeners]) listener(status);
  }

  #hop(direction: MemoryHop['direction'], kind: MemoryHop['kind'], subject: string): MemoryHop {
    return { incarnation: this.incarnation, lane: this.lane, direction, kind, subject };
  }
}
