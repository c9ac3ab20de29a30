/**
 * A gateway, put together: sockets, the gateway actor, the broker's batches and news, and what an operator sees of it.
 *
 * Invariants:
 * G1  Sessions are accepted only while the gateway is neither draining nor full; a refused client asks for a new URL.
 * G2  The batches' subscription stands before the first session is accepted, since replies come by it.
 */
import { GatewayShell, type GatewaySender } from '../actors/gateway-shell.ts';
import type { GatewayLimits } from '../actors/gateway-limits.ts';
import type { Broker } from '../broker/broker.ts';
import { subjects } from '../broker/subjects.ts';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { GatewayRef } from '../protocol/commands.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { TicketDesk } from './ticket-desk.ts';
import { TokenWatch } from './token-watch.ts';
import { startWebSocketListener, type TicketCheck, type WebSocketListener } from './websocket-listener.ts';

/** What a gateway needs of its place in the cluster; cluster/member-node.ts has it. */
export interface GatewayNode {
  table(): { slotsOf(owner: Incarnation): readonly number[] };
  /** Slots that have a new owner which serves now. */
  onSlotsServed(listener: (slots: readonly number[]) => void): void;
}

export interface GatewayOptions {
  readonly broker: Pick<Broker, 'commands' | 'control'>;
  readonly node: GatewayNode;
  readonly sender: GatewaySender;
  readonly ref: GatewayRef;
  /** Signs the tickets: the cluster settings' `secret`. */
  readonly ticketSecret: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Looks a token's hash up; may reject while the broker is away. */
  readonly isRevoked: (tokenHash: string) => Promise<boolean>;
  readonly limits?: Partial<GatewayLimits> & {
    readonly socketBackpressureBytesMax?: number;
    readonly socketsBackpressureBytesMax?: number;
  };
}

export interface Gateway {
  readonly port: number;
  /** Sessions now. */
  sessions(): number;
  /** Connected to the broker, and not draining. */
  ready(): boolean;
  /** Accepts no more and says goodbye to every session, spread over up to `drainSpreadMsMax`. */
  drain(): Promise<void>;
  /** Closes everything at once. */
  stop(): void;
}

/** @throws UsageError when the port or the native module cannot be had. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const server = new GatewayServer(options);
  await server.listen();
  return server;
}

class GatewayServer implements Gateway {
  readonly #options: GatewayOptions;
  readonly #desk: TicketDesk;
  readonly #stops: (() => void)[] = [];
  #listener: WebSocketListener | undefined;
  #shell: GatewayShell | undefined;
  #draining = false;
  #waitingBytes = 0;

  constructor(options: GatewayOptions) {
    const { clock, ref, ticketSecret: secret } = options;
    const { ticketsUsedMax } = limits;
    this.#options = options;
    this.#desk = new TicketDesk({ gateway: ref.incarnation, secret, clock, ticketsUsedMax });
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  async listen(): Promise<void> {
    const { host, port, limits: own } = this.#options;
    const bound = own?.socketBackpressureBytesMax;
    const listener = await startWebSocketListener({
      ...{ host, port },
      ...(bound === undefined ? {} : { backpressureBytesMax: bound }),
      events: {
        admit: (ticket) => this.#admit(ticket),
        opened: (session, claims) => this.#shell?.opened(session, claims),
        frame: (session, bytes) => this.#shell?.frame(session, bytes),
        closed: (session) => this.#shell?.closed(session),
        drained: (session) => this.#shell?.drained(session),
      },
    });
    this.#listener = listener;
    this.#wire(listener);
    this.#watchBackpressure(listener);
  }

  sessions(): number {
    return this.#shell?.sessionCount ?? 0;
  }

  ready(): boolean {
    return !this.#draining && this.#options.broker.commands.status() === 'connected';
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#listener?.stopAccepting();
    this.#options.logger.info('gateway_draining', { sessions: this.sessions() });
    await this.#shell?.drain();
    // Cut in the turn of its close frame, a socket would end without the code: what the client still sent resets it.
    await this.#options.clock.sleep(limits.drainLingerMs);
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
    this.#listener?.stop();
  }

  #admit(ticket: string): TicketCheck {
    const full = this.sessions() >= limits.sessionsPerGatewayMax;
    if (this.#draining || full || this.#shell === undefined) return { kind: 'refused' };
    return this.#desk.show(ticket);
  }

  #wire(listener: WebSocketListener): void {
    const { ref, node, sender, clock, logger, broker, metrics, limits: tightened } = this.#options;
    const slotsOf = (worker: Incarnation): readonly number[] => node.table().slotsOf(worker);
    const shell = new GatewayShell({
      ...{ ref, sockets: listener, sender, slotsOf, clock, logger },
      ...{ restWaits: metrics.queues.rest, socketTimer: metrics.hops.socket },
      ...(tightened === undefined ? {} : { limits: tightened }),
    });
    // On one lane, so that what a worker says by both arrives in the order in which it said it.
    const lane = broker.commands;
    const own = lane.subscribe(subjects.batch(ref), ({ data }) => shell.receive(data));
    const region = lane.subscribe(subjects.regionBatch(ref.region), ({ data }) => shell.receiveRegion(data));
    this.#shell = shell;
    this.#stops.push(
      () => own.unsubscribe(),
      () => region.unsubscribe(),
      () => shell.stop(),
    );
    node.onSlotsServed((slots) => shell.post({ kind: 'rows-changed', slots }));
    this.#watchTokens(shell);
    this.#expose(listener, shell);
  }

  #watchBackpressure(listener: WebSocketListener): void {
    const { clock, limits: tightened } = this.#options;
    const bytesMax = tightened?.socketsBackpressureBytesMax ?? limits.socketsBackpressureBytesMax;
    const look = () => void (this.#waitingBytes = listener.relieve(bytesMax));
    const timer = clock.setInterval(look, limits.socketsLookMs);
    this.#stops.push(() => timer.cancel());
  }

  #watchTokens(shell: GatewayShell): void {
    const { broker, clock, logger, isRevoked } = this.#options;
    const tokens = new TokenWatch({
      ...{ clock, logger, isRevoked },
      tokenHashes: () => shell.tokenHashes(),
      onRevoked: (tokenHash) => shell.post({ kind: 'revoked', tokenHash }),
    });
    const news = broker.control.subscribe(subjects.news('revoked'), ({ data }) => tokens.receive(data));
    const stopStatus = broker.commands.onStatus((status) => {
      logger.info('gateway_broker', { status });
      shell.post({ kind: 'broker', connected: status === 'connected' });
      if (status === 'connected') tokens.recheck();
    });
    this.#stops.push(
      () => news.unsubscribe(),
      () => tokens.stop(),
      stopStatus,
    );
  }

  #expose(listener: WebSocketListener, shell: GatewayShell): void {
    const { metrics } = this.#options;
    const { counts } = shell;
    metrics.gaugeOf('belfry_gateway_sessions', 'Open sessions.', () => shell.sessionCount);
    metrics.gaugeOf('belfry_gateway_streams', 'Streams that a session wants.', () => shell.streamCount);
    metrics.gaugeOf('belfry_gateway_held_bytes', 'Events held until a gap is filled.', () => shell.heldBytes);
    metrics.counterOf('belfry_gateway_events_total', 'Durable events published.', () => counts.events);
    metrics.counterOf('belfry_gateway_transients_total', 'Transient frames published.', () => counts.transients);
    metrics.counterOf('belfry_gateway_duplicates_total', 'Events that came again.', () => counts.duplicates);
    metrics.counterOf('belfry_gateway_strays_total', 'Events of streams nobody here wants.', () => counts.strays);
    metrics.counterOf(
      'belfry_gateway_region_strays_total',
      'Region batches about streams that nobody here wants.',
      () => counts.regionStrays,
    );
    metrics.counterOf('belfry_gateway_holes_total', 'Holes in batch numbers.', () => counts.holes);
    metrics.counterOf('belfry_gateway_gaps_total', 'Gaps in streams.', () => counts.gaps);
    metrics.counterOf('belfry_gateway_resyncs_total', 'Gaps that could not be filled.', () => counts.resyncs);
    metrics.counterOf('belfry_gateway_frames_total', 'Frames received.', () => counts.frames);
    metrics.counterOf('belfry_gateway_frames_refused_total', 'Frames over the limit.', () => counts.framesRefused);
    metrics.counterOf('belfry_gateway_malformed_total', 'Batches not understood.', () => shell.malformedBatches);
    metrics.gaugeOf('belfry_gateway_waiting_bytes', 'Bytes that wait for slow sockets.', () => this.#waitingBytes);
    metrics.counterOf('belfry_gateway_slow_total', 'Sockets cut as too slow.', () => listener.slowCount());
  }
}
