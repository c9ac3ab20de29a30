/**
 * What the system account tells about clients' connections and does to them. Every server of a cluster sends its own
 * events and answers for its own clients.
 */
import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { type Clock, systemClock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { type Logger, silentLogger } from '../platform/logger.ts';
import { BrokerUnusableError, type BrokerSystem, type ConnectionList, type ConnectionRef } from './broker.ts';
import { dial, inboxPrefixOf, type NatsAccess, serverOf, versionRefusal } from './nats-dial.ts';
import { guarded, NatsLink } from './nats-link.ts';
import { type ConnectionPage, pageQuery, RollCall } from './nats-roll-call.ts';
import { ReplyMux } from './reply-mux.ts';

/** The account of nats.conf in which Belfry's roles live. */
const ACCOUNT = 'BELFRY';

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
  const link = new NatsLink({
    ...{ lane: 'system', connection, clock },
    onError: (lane, error) => logger.warn('nats_error', { lane, error }),
  });
  const system = new NatsSystem(link, clock, inboxPrefixOf(options));
  await connection.flush();
  const [refusal] = await system.refusals();
  if (refusal !== undefined) {
    await system.close();
    throw new BrokerUnusableError(refusal);
  }
  link.onStatus((status) => {
    if (status === 'connected') void system.refusals().then((reasons) => complain(logger, reasons));
  });
  return system;
}

/** Whoever is at work goes on: one server that should not have been added is no reason to end them all. */
function complain(logger: Logger, reasons: readonly string[]): void {
  for (const reason of reasons) logger.error('nats_server_too_old', { reason });
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

  async connectionsOf(prefix: string, timeoutMs: number): Promise<ConnectionList> {
    if (!this.#link.connected) return { connections: [], isComplete: false };
    const call = new RollCall(prefix, serverOf(this.#connection).cluster === undefined);
    const done = new AbortController();
    const note = (take: () => void): void => {
      take();
      if (call.isComplete) done.abort();
    };
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
    const takePage = (message: Msg): void => {
      const page = pageOf(message);
      const next = page === undefined ? undefined : call.notePage(page);
      if (page !== undefined && next !== undefined) {
        this.#askPage(page.server, next, deadlineMs, (answer) => note(() => takePage(answer)));
      }
    };
    const questions = [
      this.#askAll('STATSZ', '', (message) => note(() => noteStatus(call, message))),
      this.#askAll('CONNZ', pageQuery(ACCOUNT, 0), (message) => note(() => takePage(message))),
    ];
    await this.#clock.sleep(timeoutMs, done.signal);
    for (const end of questions) end();
    return { connections: call.connections, isComplete: call.isComplete };
  }

  /** Why servers of the cluster should not be used, of those that answer; a single one was looked at when it was dialled. */
  async refusals(): Promise<readonly string[]> {
    if (!this.#link.connected || serverOf(this.#connection).cluster === undefined) return [];
    const call = new RollCall('', false);
    const done = new AbortController();
    const end = this.#askAll('STATSZ', '', (message) => {
      noteStatus(call, message);
      if (call.isEverybodyHere) done.abort();
    });
    await this.#clock.sleep(limits.controlRequestMs, done.signal);
    end();
    return call.servers.flatMap(({ name, version }) => versionRefusal(`nats-server ${name}`, version) ?? []);
  }

  async close(): Promise<void> {
    this.#mux.stop();
    await this.#connection.close();
  }

  /** Gives the way to stop listening for answers. */
  #askAll(what: string, body: string | Uint8Array, receive: (message: Msg) => void): () => void {
    const inbox = createInbox(this.#inboxPrefix);
    const take = guarded(receive);
    const subscription = this.#connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error === null) take(message);
      },
    });
    this.#connection.publish(`$SYS.REQ.SERVER.PING.${what}`, body, { reply: inbox });
    return () => {
      if (!subscription.isClosed()) subscription.unsubscribe();
    };
  }

  #askPage(server: string, offset: number, deadlineMs: number, receive: (message: Msg) => void): void {
    const leftMs = Math.max(1, deadlineMs - this.#clock.monotonicMs());
    this.#mux.send(`$SYS.REQ.SERVER.${server}.CONNZ`, pageQuery(ACCOUNT, offset), leftMs, (reply) => {
      if (typeof reply !== 'string') receive(reply);
    });
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
  readonly server?: { readonly id?: string; readonly name?: string; readonly ver?: string };
  readonly client?: { readonly id?: number; readonly name?: string };
  readonly data?: {
    readonly offset?: number;
    readonly total?: number;
    readonly connections?: ConnectionPage['connections'] | null;
  };
  readonly statsz?: { readonly jetstream?: { readonly meta?: { readonly cluster_size?: number } } };
  readonly error?: unknown;
}

function noteStatus(call: RollCall, message: Msg): void {
  const body = parse(message);
  const { id, name, ver: version } = body?.server ?? {};
  if (id === undefined || name === undefined || version === undefined) return;
  call.noteServer({ id, name, version, clusterSize: body?.statsz?.jetstream?.meta?.cluster_size });
}

function pageOf(message: Msg): ConnectionPage | undefined {
  const body = parse(message);
  const server = body?.server?.id;
  if (server === undefined || body?.data === undefined) return undefined;
  const { offset = 0, total = 0, connections } = body.data;
  return { server, offset, total, connections: connections ?? [] };
}

function parse(message: Msg): SystemMessage | undefined {
  try {
    return message.json<SystemMessage>();
  } catch {
    return undefined;
  }
}
