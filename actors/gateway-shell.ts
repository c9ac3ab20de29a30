/**
 * The gateway actor's shell: carries out what decide() names, and brings back what became of it.
 *
 * Invariants:
 * H1  One message at a time. Carrying an effect out may bring a new message at once (closing a socket does); it waits
 *     until the effects of the one before are done.
 * H2  Effects are carried out in the order in which they were decided.
 */
import type { CommandOutcome, CommandSender } from '../cluster/command-sender.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import { TurnSlices } from '../platform/turn-slices.ts';
import { decodeBatch } from '../protocol/batches.ts';
import type { CloseCode } from '../protocol/close-codes.ts';
import type { GatewayRef, Reply, SlotCommand, SlotResult, StreamResult } from '../protocol/commands.ts';
import { DecodeError } from '../protocol/errors.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { decodeRegionEntries, decodeRegionHead } from '../protocol/region-batches.ts';
import { BatchRest } from './batch-rest.ts';
import { FrameSlices } from './frame-slices.ts';
import { decide, type GatewayView } from './gateway-actor.ts';
import { gatewayLimits, type GatewayLimits } from './gateway-limits.ts';
import { allMemberships } from './membership-listing.ts';
import type { GatewayEffect, GatewayMessage, SessionClaims, SlotAsk } from './gateway-messages.ts';
import { GatewayPages } from './gateway-pages.ts';
import { GatewayReads, type Arrived } from './gateway-reads.ts';
import { createGatewayState, type GatewayCounts, type GatewayState } from './gateway-state.ts';

/** The gateway's sockets, by session number. Sessions that are gone are ignored. */
export interface SocketPort {
  send(session: number, frames: readonly Uint8Array[]): void;
  /** To every subscriber of the topic but `except`. The bytes are copied before it returns. */
  publish(topic: string, bytes: Uint8Array, except?: number): void;
  subscribe(session: number, topic: string): void;
  unsubscribe(session: number, topic: string): void;
  close(session: number, code: CloseCode): void;
  bufferedBytes(session: number): number;
  /** Everything that `run` sends to the session leaves in one write. */
  together?(session: number, run: () => void): void;
}

/** A sender whose replies come in the gateway's batches. */
export interface GatewaySender extends CommandSender {
  /** `by`: the worker in whose batch it came. */
  resolve(reply: Reply, by: Incarnation): void;
}

export interface GatewayShellOptions {
  readonly ref: GatewayRef;
  readonly sockets: SocketPort;
  readonly sender: GatewaySender;
  readonly slotsOf: (worker: Incarnation) => readonly number[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<GatewayLimits>;
  /** How long batches waited for the gateway's rest to end. */
  readonly restWaits?: DurationTimer;
  /** How long a batch took, once its turn had come. */
  readonly socketTimer?: DurationTimer;
}

/** Kinds of batches. */
const OWN = 0;
const REGION = 1;

export class GatewayShell {
  readonly #options: GatewayShellOptions;
  readonly #state: GatewayState;
  readonly #view: GatewayView;
  readonly #reads: GatewayReads;
  readonly #frames: FrameSlices;
  readonly #batches: FrameSlices;
  readonly #rest: BatchRest;
  readonly #answers: TurnSlices;
  readonly #inbox: GatewayMessage[] = [];
  readonly #ticks: Timer;
  #running = false;
  #flushing = false;
  #malformed = 0;
  #onEmpty: (() => void) | undefined;

  constructor(options: GatewayShellOptions) {
    this.#options = options;
    this.#state = createGatewayState(options.ref, { ...gatewayLimits, ...options.limits });
    this.#view = { slotsOf: options.slotsOf };
    const { clock, sender, sockets } = options;
    const pages = new GatewayPages({ clock, sender, limits });
    this.#reads = new GatewayReads({
      ...{ clock, limits },
      bufferedBytes: (session) => sockets.bufferedBytes(session),
      start: (request) => pages.read(request),
      deliver: (session, arrived) => this.#pages(session, arrived),
    });
    this.#answers = new TurnSlices(clock, limits.answerSliceMs);
    this.#frames = new FrameSlices({ clock, limits, handle: (session, bytes) => this.#frame(session, bytes) });
    // What one read of a socket brings under a backlog would fill seconds; a gateway that is silent for so long is dead.
    this.#batches = new FrameSlices({
      clock,
      limits: { frameSliceMs: limits.batchSliceMs, frameBacklogBytesMax: limits.batchBacklogBytesMax },
      handle: (kind, bytes) => this.#anyBatch(kind, bytes),
    });
    this.#rest = new BatchRest({
      ...{ clock, limits },
      handle: (kind, bytes) => this.#batches.take(kind, bytes),
      ...(options.restWaits && { waits: options.restWaits }),
    });
    this.#ticks = options.clock.setInterval(() => this.post({ kind: 'tick' }), limits.gatewayTickMs);
  }

  get sessionCount(): number {
    return this.#state.sessions.size;
  }
  get streamCount(): number {
    return this.#state.streams.size;
  }
  get heldBytes(): number {
    return this.#state.heldBytes;
  }
  get counts(): GatewayCounts {
    return this.#state.counts;
  }
  get malformedBatches(): number {
    return this.#malformed;
  }
  /** Token hashes of the sessions at hand, each once. */
  tokenHashes(): ReadonlySet<string> {
    return new Set([...this.#state.sessions.values()].map((session) => session.claims.tokenHash));
  }

  opened(session: number, claims: SessionClaims): void {
    this.post({ kind: 'opened', session, claims });
  }
  /** `bytes` are only valid during the call. */
  frame(session: number, bytes: Uint8Array): void {
    this.#frames.take(session, bytes);
  }
  closed(session: number): void {
    this.#reads.forget(session);
    this.post({ kind: 'closed', session });
  }
  /** What waited for the socket has gone out. */
  drained(session: number): void {
    this.#reads.resume(session);
  }

  /** One batch as it came; valid during the call. */
  receive(bytes: Uint8Array): void {
    this.#rest.take(OWN, bytes);
  }

  /** The same of a region batch. What comes by both is to be given in the order in which it came. */
  receiveRegion(bytes: Uint8Array): void {
    this.#rest.take(REGION, bytes);
  }

  /** Says goodbye to every session and resolves when all are closed. */
  drain(): Promise<void> {
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    this.post({ kind: 'drain' });
    return empty;
  }

  stop(): void {
    this.#ticks.cancel();
  }

  post(message: GatewayMessage): void {
    this.#inbox.push(message);
    if (this.#running) return;
    this.#running = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) this.#handle(next);
    } finally {
      this.#running = false;
    }
    if (this.#state.sessions.size === 0) this.#onEmpty?.();
  }

  #anyBatch(kind: number, bytes: Uint8Array): void {
    const { clock, socketTimer } = this.#options;
    const startedMs = clock.monotonicMs();
    if (kind === REGION) this.#regionBatch(bytes);
    else this.#batch(bytes);
    socketTimer?.observe(clock.monotonicMs() - startedMs);
  }

  #batch(bytes: Uint8Array): void {
    // Frames are views into the bytes; a batch that has to wait its turn needs bytes of its own.
    const batch = this.#decode(() => decodeBatch(this.#running ? Buffer.from(bytes) : bytes));
    if (batch === undefined) return;
    for (const entry of batch.entries)
      if (entry.kind === 'reply') this.#options.sender.resolve(entry.reply, batch.worker);
    this.post({ kind: 'batch', batch });
  }

  #regionBatch(bytes: Uint8Array): void {
    const message = this.#decode(() => {
      const head = decodeRegionHead(this.#running ? Buffer.from(bytes) : bytes);
      const isWanted = head.streams.some((stream) => this.#state.streams.has(stream));
      return { ...head, kind: 'region-batch', entries: isWanted ? decodeRegionEntries(head) : [] } as const;
    });
    if (message !== undefined) this.post(message);
  }

  #handle(message: GatewayMessage): void {
    const effects = decide(this.#state, message, this.#options.clock.monotonicMs(), this.#view);
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: GatewayEffect): void {
    const { sockets } = this.#options;
    switch (effect.kind) {
      case 'publish':
        return sockets.publish(effect.topic, effect.bytes, effect.except);
      case 'send':
        return sockets.send(effect.session, effect.frames);
      case 'subscribe':
        return sockets.subscribe(effect.session, effect.topic);
      case 'unsubscribe':
        return sockets.unsubscribe(effect.session, effect.topic);
      case 'close':
        this.#reads.forget(effect.session);
        return sockets.close(effect.session, effect.code);
      case 'ask-slot':
        return void this.#askSlot(effect);
      case 'ask-memberships':
        return void this.#askMemberships(effect);
      case 'post':
        return void this.#send(effect);
      case 'type':
        return void this.#options.sender.toStream(effect.channel, effect.command, {
          deadlineMs: limits.typingDeadlineMs,
        });
      case 'read':
        return this.#reads.add(effect);
      case 'flush-soon':
        return this.#flushSoon();
      default:
        return effect satisfies never;
    }
  }

  #pages(session: number, arrived: readonly Arrived[]): void {
    const { sockets } = this.#options;
    const run = (): void => {
      for (const { request, page } of arrived) this.post({ kind: 'page', session, stream: request.stream, page });
    };
    if (sockets.together === undefined) run();
    else sockets.together(session, run);
  }

  #frame(session: number, bytes: Uint8Array): void {
    this.post({ kind: 'frame', session, bytes: this.#running ? Buffer.from(bytes) : bytes });
  }

  async #askSlot(ask: SlotAsk): Promise<void> {
    const { sender } = this.#options;
    // Said once only: a repeat could overtake a later admission of the same stream and undo it.
    const options = ask.command.kind === 'forget' ? { deadlineMs: limits.forgetDeadlineMs } : {};
    const outcome = (await sender.toSlot(ask.slot, ask.command, options)) as CommandOutcome<
      SlotResult<SlotCommand['kind']>
    >;
    // Some hold a thousand admissions; they are late answers like any that the network kept.
    this.#answers.run(() => this.post({ kind: 'slot-answered', ask, outcome }));
  }

  async #askMemberships({ user }: Extract<GatewayEffect, { kind: 'ask-memberships' }>): Promise<void> {
    this.post({ kind: 'memberships', user, outcome: await allMemberships(this.#options.sender, user) });
  }

  async #send({ session, post, channel, command }: Extract<GatewayEffect, { kind: 'post' }>): Promise<void> {
    const outcome: CommandOutcome<StreamResult<'post'>> = await this.#options.sender.toStream<'post'>(channel, command);
    this.post({ kind: 'posted', session, post, channel, outcome });
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#options.clock.defer(() => {
      this.#flushing = false;
      this.post({ kind: 'flush' });
    });
  }

  #decode<T>(attempt: () => T): T | undefined {
    try {
      return attempt();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#malformed += 1;
      this.#options.logger.warn('batch_malformed', { error });
      return undefined;
    }
  }
}
