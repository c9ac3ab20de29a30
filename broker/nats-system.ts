/**
 * What the system account tells about clients' connections and does to them. Every server of a cluster sends its own
 * events and answers for its own clients.
 */
import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { type Clock, systemClock } from '../platform/clock.ts';
import { type Logger, silentLogger } from '../platform/logger.ts';
import type { BrokerSystem, ConnectionRef } from './broker.ts';
import { dial, inboxPrefixOf, type NatsAccess } from './nats-dial.ts';
import { guarded, NatsLink } from './nats-link.ts';
import { ReplyMux } from './reply-mux.ts';

/** The account of nats.conf in which Belfry's roles live. */
const ACCOUNT = 'BELFRY';
/** Connections on one page of a server's list; its own default. */
const PAGE = 1024;

export interface NatsSystemOptions extends NatsAccess {
  readonly clock?: Clock;
  readonly logger?: Logger;
}

type DisconnectListener = (event: { readonly clientName: string; readonly connection: ConnectionRef }) => void;

/** With the system account's user. @throws BrokerUnusableError */
export async function connectNatsSystem(options: NatsSystemOptions): Promise<BrokerSystem> {
  const logger = options.logger ?? silentLogger;
  const connection = await dial(options, 'system');
  const clock = options.clock ?? systemClock;
  const link = new NatsLink('system', connection, clock, (lane, error) => logger.warn('nats_error', { lane, error }));
  const system = new NatsSystem(link, clock, inboxPrefixOf(options));
  await connection.flush();
  return system;
}

class NatsSystem implements BrokerSystem {
  readonly #link: NatsLink;
  readonly #connection: NatsConnection;
  readonly #clock: Clock;
  readonly #mux: ReplyMux;
  readonly #inboxPrefix: string;
  readonly #listeners = new Set<DisconnectListener>();

  constructor(link: NatsLink, clock: Clock, inboxPrefix: string) {
    this.#link = link;
    this.#connection = link.connection;
    this.#clock = clock;
    this.#inboxPrefix = inboxPrefix;
    this.#mux = new ReplyMux(link, clock, inboxPrefix);
    const receive = guarded((message: Msg) => this.#disconnected(message));
    this.#connection.subscribe(`$SYS.ACCOUNT.${ACCOUNT}.DISCONNECT`, {
      callback: (error, message) => {
        if (error === null) receive(message);
      },
    });
  }

  onDisconnect(listener: DisconnectListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  kick(connection: ConnectionRef, timeoutMs: number): Promise<boolean> {
    const order = Buffer.from(JSON.stringify({ cid: connection.client }));
    return new Promise((resolve) => {
      this.#mux.send(`$SYS.REQ.SERVER.${connection.server}.KICK`, order, timeoutMs, (reply) => {
        resolve(typeof reply !== 'string' && parse(reply)?.error === undefined);
      });
    });
  }

  async connectionsOf(prefix: string, timeoutMs: number): Promise<readonly ConnectionRef[]> {
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
    const found: ConnectionRef[] = [];
    const rest: Promise<void>[] = [];
    await this.#askAll(timeoutMs, (page) => {
      collect(page, prefix, found);
      const leftMs = Math.max(1, deadlineMs - this.#clock.monotonicMs());
      if (page.data.total > PAGE) rest.push(this.#furtherPages(page, prefix, found, leftMs));
    });
    await Promise.all(rest);
    return found;
  }

  async close(): Promise<void> {
    this.#mux.stop();
    await this.#connection.close();
  }

  /** The first page of every server. A server that stands alone ends the wait with its answer. */
  async #askAll(timeoutMs: number, receive: (page: ConnectionPage) => void): Promise<void> {
    if (!this.#link.connected) return;
    const alone = this.#connection.info?.cluster === undefined;
    const inbox = createInbox(this.#inboxPrefix);
    const enough = new AbortController();
    const subscription = this.#connection.subscribe(inbox, {
      callback: (error, message) => {
        const page = error === null ? pageOf(message) : undefined;
        if (page !== undefined) receive(page);
        if (alone) enough.abort();
      },
    });
    this.#connection.publish('$SYS.REQ.SERVER.PING.CONNZ', query(0), { reply: inbox });
    await this.#clock.sleep(timeoutMs, enough.signal);
    if (!subscription.isClosed()) subscription.unsubscribe();
  }

  async #furtherPages(first: ConnectionPage, prefix: string, found: ConnectionRef[], leftMs: number): Promise<void> {
    const subject = `$SYS.REQ.SERVER.${first.server.id}.CONNZ`;
    for (let offset = PAGE; offset < first.data.total; offset += PAGE) {
      const page = await new Promise<ConnectionPage | undefined>((resolve) => {
        this.#mux.send(subject, query(offset), leftMs, (reply) => {
          resolve(typeof reply === 'string' ? undefined : pageOf(reply));
        });
      });
      if (page === undefined) return;
      collect(page, prefix, found);
    }
  }

  #disconnected(message: Msg): void {
    const event = parse(message);
    const client = event?.client;
    const server = event?.server?.id;
    if (client?.id === undefined || server === undefined) return;
    const connection = { server, client: client.id };
    for (const listener of [...this.#listeners]) listener({ clientName: client.name ?? '', connection });
  }
}

/** The fields of the server's events and answers that matter here. */
interface SystemMessage {
  readonly server?: { readonly id?: string };
  readonly client?: { readonly id?: number; readonly name?: string };
  readonly data?: { readonly total?: number; readonly connections?: readonly { cid: number; name?: string }[] | null };
  readonly error?: unknown;
}

interface ConnectionPage {
  readonly server: { readonly id: string };
  readonly data: { readonly total: number; readonly connections: readonly { cid: number; name?: string }[] };
}

function query(offset: number): Uint8Array {
  return Buffer.from(JSON.stringify({ acc: ACCOUNT, auth: true, limit: PAGE, offset }));
}

function pageOf(message: Msg): ConnectionPage | undefined {
  const body = parse(message);
  const id = body?.server?.id;
  if (id === undefined || body?.data === undefined) return undefined;
  return { server: { id }, data: { total: body.data.total ?? 0, connections: body.data.connections ?? [] } };
}

function collect(page: ConnectionPage, prefix: string, found: ConnectionRef[]): void {
  for (const { cid, name } of page.data.connections) {
    if (name?.startsWith(prefix) === true) found.push({ server: page.server.id, client: cid });
  }
}

function parse(message: Msg): SystemMessage | undefined {
  try {
    return message.json<SystemMessage>();
  } catch {
    return undefined;
  }
}
