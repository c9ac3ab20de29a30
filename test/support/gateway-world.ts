/**
 * A gateway actor in a world that a test (or a seed) moves step by step: its sockets are lists, its commands wait until
 * they are carried out, its batches may be lost. It records what every session saw, and can say whether that was right.
 */
import { decide } from '../../actors/gateway-actor.ts';
import { gatewayLimits, type GatewayLimits } from '../../actors/gateway-limits.ts';
import type { GatewayEffect, GatewayMessage, SessionClaims } from '../../actors/gateway-messages.ts';
import { createGatewayState, type GatewayState } from '../../actors/gateway-state.ts';
import type { CommandOutcome } from '../../cluster/command-sender.ts';
import { decodeBatch, encodeBatch } from '../../protocol/batches.ts';
import { retryable } from '../../protocol/errors.ts';
import type { Incarnation, StreamId, UserId } from '../../protocol/ids.ts';
import { decodeRegionEntries, decodeRegionHead, encodeRegionBatch } from '../../protocol/region-batches.ts';
import { pageEvents } from '../../actors/gateway-pages.ts';
import { ScriptedOwner, TEAM, type Answer } from './scripted-owner.ts';

export type Seen = Readonly<Record<string, unknown>>;
type Command = Extract<GatewayEffect, { kind: 'ask-slot' | 'ask-memberships' | 'post' | 'type' | 'read' }>;

export class FakeSocket {
  readonly frames: Seen[] = [];
  readonly topics = new Set<string>();
  closedWith: number | undefined;
  /** Where the gateway stood on each stream when it said hello, for a plain session: what it must get begins there. */
  greetedAt: ReadonlyMap<StreamId, number> = new Map();
  readonly number: number;
  readonly user: UserId;

  constructor(number: number, user: UserId) {
    this.number = number;
    this.user = user;
  }

  get isOpen(): boolean {
    return this.closedWith === undefined;
  }

  /** Of what came of the channel, in the order in which it came. */
  seqs(channel: string): unknown[] {
    return this.frames.filter((frame) => frame['channel'] === channel && 'seq' in frame).map((frame) => frame['seq']);
  }

  types(): unknown[] {
    return this.frames.map((frame) => frame['type'] ?? (frame['ok'] === true ? 'ack' : 'refusal'));
  }
}

export interface WorldOptions {
  readonly limits?: Partial<GatewayLimits>;
}

export class GatewayWorld {
  readonly owner = new ScriptedOwner('worker-1');
  readonly state: GatewayState;
  readonly sockets = new Map<number, FakeSocket>();
  /** Sent, and not carried out yet: first in, first out, as one sender's commands to one slot are. */
  readonly commands: Command[] = [];
  /** Carried out, the answer on its way; any order. */
  readonly answers: GatewayMessage[] = [];
  readonly batches: { readonly bytes: Uint8Array; readonly decode: () => GatewayMessage }[] = [];
  nowMs = 1_000;
  #nextSession = 1;
  #rest: readonly GatewayEffect[] = [];
  #flush = false;

  constructor(options: WorldOptions = {}) {
    const ref = { region: 'here', incarnation: 'gateway-1' as Incarnation };
    this.state = createGatewayState(ref, { ...gatewayLimits, ...options.limits });
  }

  // --- The gateway's side ------------------------------------------------------------------------------------------

  apply(message: GatewayMessage): void {
    const slotsOf = (worker: Incarnation) => (worker === this.owner.worker ? ALL_SLOTS : []);
    const effects = decide(this.state, message, this.nowMs, { slotsOf });
    for (const [at, effect] of effects.entries()) {
      this.#rest = effects.slice(at + 1);
      this.#carryOut(effect);
    }
  }

  open(user: UserId, claims: Partial<SessionClaims> = {}): FakeSocket {
    const socket = new FakeSocket(this.#nextSession++, user);
    this.sockets.set(socket.number, socket);
    const base = { user, team: TEAM, tokenHash: 'h', unlimited: false, resume: false, batchPresenceAware: false };
    this.apply({ kind: 'opened', session: socket.number, claims: { ...base, ...claims } });
    return socket;
  }

  send(socket: FakeSocket, frame: unknown): void {
    const bytes = Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame));
    this.apply({ kind: 'frame', session: socket.number, bytes });
  }

  hangUp(socket: FakeSocket): void {
    if (!socket.isOpen) return;
    socket.closedWith = 1_000;
    this.apply({ kind: 'closed', session: socket.number });
  }

  pass(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + 100);
      this.apply({ kind: 'tick' });
    }
  }

  // --- The network's side ------------------------------------------------------------------------------------------

  /** The oldest command reaches its owner, or is lost. */
  carry(lost = false): void {
    const command = this.commands.shift();
    if (command === undefined) return;
    const answer = command.kind === 'read' ? this.#read(command, lost) : answerOf(command, this.#try(command, lost));
    if (answer !== undefined) this.answers.push(answer);
  }

  answer(at = 0): void {
    const [answer] = this.answers.splice(at, 1);
    if (answer !== undefined) this.apply(answer);
  }

  /** What the worker gathered becomes a batch on its way; `region`: one for the whole region, where it can be. */
  emit(region = false): void {
    const shared = region ? this.owner.takeRegionBatch() : undefined;
    if (shared !== undefined) return this.#sendRegion(encodeRegionBatch(shared));
    const batch = this.owner.takeBatch();
    if (batch !== undefined) this.#send(encodeBatch(batch));
  }

  beat(): void {
    this.emit();
    this.#send(encodeBatch(this.owner.beat()));
  }

  /** The oldest batch arrives, or is lost. Its bytes are overwritten afterwards, as a network buffer's are. */
  deliver(lost = false): void {
    const batch = this.batches.shift();
    if (batch === undefined || lost) return;
    this.apply(batch.decode());
    batch.bytes.fill(0);
  }

  #send(bytes: Uint8Array): void {
    this.batches.push({ bytes, decode: () => ({ kind: 'batch', batch: decodeBatch(bytes) }) });
  }

  /** As the shell does it: what nobody wants is not looked at. */
  #sendRegion(bytes: Uint8Array): void {
    const decode = (): GatewayMessage => {
      const head = decodeRegionHead(bytes);
      const isWanted = head.streams.some((stream) => this.state.streams.has(stream));
      return { ...head, kind: 'region-batch', entries: isWanted ? decodeRegionEntries(head) : [] };
    };
    this.batches.push({ bytes, decode });
  }

  flush(): void {
    if (!this.#flush) return;
    this.#flush = false;
    this.apply({ kind: 'flush' });
  }

  takeOver(name: string): void {
    this.owner.succeed(name);
    this.apply({ kind: 'rows-changed', slots: ALL_SLOTS });
  }

  /** Everything under way arrives, until nothing moves any more. */
  settle(): void {
    for (let quiet = 0; quiet < 3; ) {
      const before = this.commands.length + this.answers.length + this.batches.length;
      this.flush();
      while (this.commands.length > 0) this.carry();
      this.emit();
      while (this.batches.length > 0) this.deliver();
      while (this.answers.length > 0) this.answer();
      quiet = before === 0 && !this.#flush ? quiet + 1 : 0;
    }
  }

  // --- What is behind them -----------------------------------------------------------------------------------------

  #read(read: Extract<Command, { kind: 'read' }>, lost: boolean): GatewayMessage {
    const { session, stream, after, upTo, team } = read;
    if (lost) return { kind: 'page', session, stream, page: { kind: 'failed', rejected: false } };
    const { events, gone } = this.owner.page(stream, after, upTo);
    return { kind: 'page', session, stream, page: { kind: 'page', gone, events: pageEvents(stream, events, team) } };
  }

  #try(command: Exclude<Command, { kind: 'read' }>, lost: boolean): Answer {
    return lost ? { ok: false, failure: retryable('lost') } : this.#execute(command);
  }

  #execute(command: Exclude<Command, { kind: 'read' }>): Answer {
    switch (command.kind) {
      case 'ask-slot':
        return this.owner.toSlot(command.slot, command.command);
      case 'ask-memberships':
        return this.owner.toStream(command.user, { kind: 'memberships' });
      case 'post':
      case 'type':
        return this.owner.toStream(command.channel, command.command);
      default:
        return command satisfies never;
    }
  }

  #carryOut(effect: GatewayEffect): void {
    switch (effect.kind) {
      case 'publish':
        return this.#publish(effect.topic, effect.bytes, effect.except);
      case 'send':
        for (const frame of effect.frames) this.#show(this.#socket(effect.session), frame);
        return;
      case 'subscribe':
        this.#socket(effect.session).topics.add(effect.topic);
        return;
      case 'unsubscribe':
        this.#socket(effect.session).topics.delete(effect.topic);
        return;
      case 'close':
        this.#socket(effect.session).closedWith = effect.code.code;
        return;
      case 'flush-soon':
        this.#flush = true;
        return;
      case 'ask-slot':
      case 'ask-memberships':
      case 'post':
      case 'type':
      case 'read':
        this.commands.push(effect);
        return;
      default:
        effect satisfies never;
    }
  }

  #publish(topic: string, bytes: Uint8Array, except: number | undefined): void {
    // A socket without any topic cannot leave itself out: uWebSockets.js then reaches nobody.
    if (except !== undefined && this.#socket(except).topics.size === 0) return;
    for (const socket of this.sockets.values()) {
      if (socket.isOpen && socket.number !== except && socket.topics.has(topic)) this.#show(socket, bytes);
    }
  }

  #show(socket: FakeSocket, bytes: Uint8Array): void {
    if (!socket.isOpen) throw new Error(`session ${socket.number} is closed and was sent a frame`);
    const frame = JSON.parse(Buffer.from(bytes).toString()) as Seen;
    socket.frames.push(frame);
    if (frame['type'] === 'hello') socket.greetedAt = this.#places();
  }

  /** What a plain session is subscribed to right after its hello, and where that stands. */
  #places(): ReadonlyMap<StreamId, number> {
    const places = new Map<StreamId, number>();
    for (const effect of this.#rest) {
      if (effect.kind !== 'subscribe') break;
      const stream = effect.topic as StreamId;
      places.set(stream, this.#placeNow(stream) ?? this.state.streams.get(stream)?.last ?? 0);
    }
    return places;
  }

  /** Decisions run ahead of their effects: what is yet to be published tells where a stream stands at this effect. */
  #placeNow(stream: StreamId): number | undefined {
    for (const effect of this.#rest) {
      if (effect.kind !== 'publish' || effect.topic !== stream) continue;
      const frame = JSON.parse(Buffer.from(effect.bytes).toString()) as Seen;
      if (typeof frame['seq'] === 'number') return frame['seq'] - 1;
      if (frame['type'] === 'resync') return frame['from'] as number;
    }
    return undefined;
  }

  #socket(number: number): FakeSocket {
    const socket = this.sockets.get(number);
    if (socket === undefined) throw new Error(`no session ${number}`);
    return socket;
  }
}

const ALL_SLOTS = Array.from({ length: 4096 }, (_, slot) => slot);

function answerOf(command: Exclude<Command, { kind: 'read' }>, answer: Answer): GatewayMessage | undefined {
  const outcome = answer as CommandOutcome<never>;
  switch (command.kind) {
    case 'ask-slot':
      return { kind: 'slot-answered', ask: command, outcome };
    case 'ask-memberships':
      return { kind: 'memberships', user: command.user, outcome };
    case 'post':
      return { kind: 'posted', session: command.session, post: command.post, channel: command.channel, outcome };
    case 'type':
      return undefined;
    default:
      return command satisfies never;
  }
}
