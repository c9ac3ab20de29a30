/** A real gateway on real sockets, with a scripted owner behind an in-memory broker. */
import type { GatewaySender } from '../../actors/gateway-shell.ts';
import { MemoryBrokerHub } from '../../broker/memory-broker.ts';
import { subjects } from '../../broker/subjects.ts';
import type { CommandOutcome } from '../../cluster/command-sender.ts';
import { systemClock } from '../../platform/clock.ts';
import { silentLogger } from '../../platform/logger.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { encodeBatch } from '../../protocol/batches.ts';
import type { SlotCommand, StreamCommand } from '../../protocol/commands.ts';
import { retryable } from '../../protocol/errors.ts';
import type { Incarnation, StreamId, UserId } from '../../protocol/ids.ts';
import { encodeRevocation } from '../../protocol/revocations.ts';
import { makeTicket, type TicketClaims } from '../../protocol/tickets.ts';
import { startGateway, type Gateway, type GatewayOptions } from '../../transport/gateway-server.ts';
import { RtmSocket } from './rtm-socket.ts';
import { ScriptedOwner, TEAM } from './scripted-owner.ts';

const SECRET = 'c2VjcmV0';
export const tokenHash = (letter: string) => letter.repeat(64);

export class GatewayLab {
  readonly owner = new ScriptedOwner('worker-1');
  readonly ref = { region: 'here', incarnation: 'gateway-1-LIFE' as Incarnation };
  readonly hub = new MemoryBrokerHub({ clock: systemClock });
  readonly revoked = new Set<string>();
  readonly metrics = createMetrics({ role: 'gateway', id: 'gateway-1', processMetrics: false });
  /** While false, commands fail and batches are kept back. */
  reachable = true;
  gateway!: Gateway;
  readonly #worker = this.hub.connect('worker-1');
  readonly #sockets: RtmSocket[] = [];
  #served: (slots: readonly number[]) => void = () => undefined;
  #nonce = 0;

  static async start(limits: GatewayOptions['limits'] = {}): Promise<GatewayLab> {
    const lab = new GatewayLab();
    const broker = lab.hub.connect(lab.ref.incarnation);
    lab.gateway = await startGateway({
      broker,
      node: {
        table: () => ({ slotsOf: () => Array.from({ length: 4096 }, (_, slot) => slot) }),
        onSlotsServed: (listener) => (lab.#served = listener),
      },
      sender: lab.#sender(),
      ref: lab.ref,
      ticketSecret: SECRET,
      host: '127.0.0.1',
      port: 0,
      clock: systemClock,
      logger: silentLogger,
      metrics: lab.metrics,
      isRevoked: (hash) => Promise.resolve(lab.revoked.has(hash)),
      limits,
    });
    return lab;
  }

  ticket(user: UserId, claims: Partial<TicketClaims> = {}): string {
    return makeTicket(SECRET, {
      ...{ gateway: this.ref.incarnation, user, team: TEAM, name: 'someone', tokenHash: tokenHash('a') },
      ...{ unlimited: false, resume: false, batchPresenceAware: false },
      expiresAtMs: systemClock.monotonicMs() + 30_000,
      nonce: `n${(this.#nonce += 1)}`,
      ...claims,
    });
  }

  url(ticket: string): string {
    return `ws://127.0.0.1:${this.gateway.port}/websocket/${ticket}`;
  }

  open(ticket: string): RtmSocket {
    const socket = new RtmSocket(this.url(ticket));
    this.#sockets.push(socket);
    return socket;
  }

  /** A session that has had its hello. */
  async session(user: UserId, claims: Partial<TicketClaims> = {}): Promise<RtmSocket> {
    const socket = this.open(this.ticket(user, claims));
    await socket.frame((frame) => frame.type === 'hello');
    return socket;
  }

  /** Sends what the owner has to say; `lost`: the gateway never sees it. */
  emit(lost = false): void {
    const batch = this.owner.takeBatch();
    if (batch !== undefined && !lost) this.#worker.commands.publish(subjects.batch(this.ref), encodeBatch(batch));
  }

  beat(): void {
    this.#worker.commands.publish(subjects.batch(this.ref), encodeBatch(this.owner.beat()));
  }

  serve(slots: readonly number[]): void {
    this.#served(slots);
  }

  revoke(number: number, hash: string): void {
    this.revoked.add(hash);
    this.#worker.control.publish(subjects.news('revoked'), encodeRevocation({ number, tokenHash: hash }));
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.cut();
    this.gateway.stop();
    await this.#worker.close();
  }

  #sender(): GatewaySender {
    return {
      toStream: (stream: StreamId, command: StreamCommand) =>
        this.#answer(() => this.owner.toStream(stream, command)) as Promise<CommandOutcome<never>>,
      toSlot: (slot: number, command: SlotCommand) =>
        this.#answer(() => this.owner.toSlot(slot, command)) as Promise<CommandOutcome<never>>,
      resolve: () => undefined,
    };
  }

  async #answer(run: () => unknown): Promise<unknown> {
    await systemClock.sleep(1);
    if (!this.reachable) return { ok: false, failure: retryable('unreachable') };
    const answer = run();
    this.emit();
    return answer;
  }
}
