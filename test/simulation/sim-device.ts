/**
 * A user's device: one RTM client with resume, that comes back after every loss of its socket, posts, and checks what it
 * is given over all of its sessions.
 *
 * D1  Per stream, from where it began: every event of the log once, in order, without a hole, over live, resume and any
 *     gateway (G2, G4, G5). An acknowledgement stands for the event in its place.
 * D2  `resync` is said only where events cannot be had one by one: too many are missing, or its user left meanwhile.
 * D3  Nothing is delivered or acknowledged before it stands in the log (G1), and it is what stands there.
 */
import { limits } from '../../platform/limits.ts';
import { FRAME_ERROR } from '../../protocol/client-frames.ts';
import type { ChannelId, StreamId, UserId } from '../../protocol/ids.ts';
import { formatTs } from '../../protocol/timestamp.ts';
import type { SimGateway } from './sim-gateway.ts';
import { TEAM } from './sim-names.ts';
import type { SimWorld } from './sim-world.ts';

type Frame = Readonly<Record<string, unknown>>;
interface Pending {
  readonly channel: ChannelId;
  readonly mutation: string;
}

const REPOST_MS = 40;
/** From hello to `resume` at most: its user may come and go in between. */
const RESUME_MS = 60;

export class SimDevice {
  readonly name: string;
  readonly user: UserId;
  /** The last seq of each stream. */
  readonly cursors = new Map<StreamId, number>();
  readonly #world: SimWorld;
  readonly #gateways: () => readonly SimGateway[];
  readonly #pending = new Map<number, Pending>();
  #gateway: SimGateway | undefined;
  #session = 0;
  #phase: 'offline' | 'setting-up' | 'resuming' | 'live' = 'offline';
  #frames = 0;
  /** Streams that it was told its user left. */
  readonly #absent = new Set<StreamId>();
  /** After a resync the stream goes on behind this, wherever. */
  readonly #resynced = new Set<StreamId>();

  constructor(world: SimWorld, name: string, user: UserId, gateways: () => readonly SimGateway[]) {
    this.#world = world;
    this.name = name;
    this.user = user;
    this.#gateways = gateways;
  }

  get live(): boolean {
    return this.#phase === 'live';
  }

  get idle(): boolean {
    return this.#pending.size === 0;
  }

  connect(): void {
    const alive = this.#gateways().filter((gateway) => gateway.alive);
    const gateway = alive[this.#world.rng.int(Math.max(1, alive.length))];
    if (gateway === undefined) return this.#connectLater();
    this.#gateway = gateway;
    this.#phase = 'setting-up';
    this.#world.history.note(this.name, 'connects', undefined, gateway.name);
    this.#session = gateway.open(this);
  }

  /** As a phone in a tunnel. */
  dropSocket(): void {
    if (this.#phase === 'offline') return;
    this.#gateway?.hangUp(this.#session);
    this.disconnected('dropped its socket');
  }

  disconnected(why: string): void {
    this.#world.history.note(this.name, 'disconnected', undefined, why);
    this.#phase = 'offline';
    this.#gateway = undefined;
    this.#connectLater();
  }

  post(channel: ChannelId, mutation: string): void {
    this.#frames += 1;
    const id = this.#frames;
    this.#pending.set(id, { channel, mutation });
    if (this.live) this.#sendPost(id);
  }

  take(session: number, frame: Frame): void {
    if (session !== this.#session || this.#phase === 'offline') return;
    if (frame['type'] === 'hello') return this.#resume(frame['cursors'] as Record<StreamId, number>);
    if (frame['type'] === 'resync') return this.#resync(frame['channel'] as StreamId, frame['from'] as number);
    if (typeof frame['reply_to'] === 'number') return this.#replied(frame['reply_to'], frame);
    if (typeof frame['seq'] !== 'number') return;
    this.#event((frame['stream'] ?? frame['channel']) as StreamId, frame['seq'], frame);
  }

  #connectLater(): void {
    this.#world.clock.setTimeout(() => this.#phase === 'offline' && this.connect(), 20 + this.#world.rng.int(60));
  }

  #resume(hello: Readonly<Record<StreamId, number>>): void {
    this.#phase = 'resuming';
    for (const [stream, cursor] of Object.entries(hello) as [StreamId, number][]) {
      if (!this.cursors.has(stream)) this.cursors.set(stream, cursor);
    }
    const cursors = Object.fromEntries([...this.cursors].filter(([stream]) => stream in hello));
    // What it does not name is no longer its user's to see.
    for (const stream of [...this.cursors.keys()]) if (!(stream in hello)) this.cursors.delete(stream);
    const [gateway, session] = [this.#gateway, this.#session];
    this.#world.clock.setTimeout(() => {
      if (this.#session === session && gateway?.alive === true)
        gateway.receive(session, { id: 0, type: 'resume', cursors });
    }, this.#world.rng.int(RESUME_MS));
  }

  #replied(id: number, frame: Frame): void {
    if (id === 0) return this.#resumed(frame);
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    if (frame['ok'] !== true) {
      const { code, msg } = frame['error'] as { readonly code: number; readonly msg: string };
      const what = `${pending.mutation} ${code} ${msg}`;
      this.#world.history.note(this.name, 'refused', pending.channel, what);
      if (code === FRAME_ERROR.rejected) return this.#world.rejected(this.name, pending.channel, what);
      this.#world.clock.setTimeout(() => this.live && this.#pending.has(id) && this.#sendPost(id), REPOST_MS);
      return;
    }
    this.#pending.delete(id);
    const seq = frame['seq'] as number;
    this.#world.acked(this.name, pending.channel, this.user, pending.mutation, seq, undefined);
    const cursor = this.cursors.get(pending.channel);
    // A repeat's acknowledgement names its first place, which was passed as an event.
    if (cursor === undefined || seq <= cursor) return;
    this.#moveTo(pending.channel, seq, 'ack');
  }

  #resumed(frame: Frame): void {
    if (frame['ok'] !== true) {
      return this.#world.history.violate('a resume is answered', `${this.name} ${JSON.stringify(frame)}`);
    }
    this.#phase = 'live';
    this.#world.history.note(this.name, 'live', undefined);
    const session = this.#session;
    this.#world.clock.defer(() => {
      if (this.live && this.#session === session) for (const id of this.#pending.keys()) this.#sendPost(id);
    });
  }

  #sendPost(id: number): void {
    const { channel, mutation } = this.#pending.get(id) as Pending;
    this.#world.history.note(this.name, 'posts', channel, mutation);
    this.#gateway?.receive(this.#session, { id, type: 'message', channel, text: mutation, client_msg_id: mutation });
  }

  #resync(stream: StreamId, from: number): void {
    this.#world.history.note(this.name, 'resync', stream, `from ${from}`);
    if (!this.#mayResync(stream, this.cursors.get(stream) ?? from)) {
      this.#world.history.violate('a resync has a reason', `${this.name} from ${from}`, stream);
    }
    this.#resynced.add(stream);
  }

  /** D2 */
  #mayResync(stream: StreamId, cursor: number): boolean {
    const { book, mayGiveUp } = this.#world;
    if (mayGiveUp || book.tail(stream) - cursor > limits.resumeGapEventsMax) return true;
    return book.leaveOf(stream, this.user) > cursor;
  }

  #event(stream: StreamId, seq: number, frame: Frame): void {
    const stored = this.#world.book.event(stream, seq);
    if (stored === undefined || formatTs(stored.ts) !== (frame['event_ts'] ?? frame['ts'])) {
      this.#world.history.violate('what is delivered stands in the log', `${this.name} got ${seq}`, stream);
    }
    const { body } = stored ?? {};
    if (this.#absent.has(stream) || !this.cursors.has(stream)) this.#begin(stream, seq);
    this.#moveTo(stream, seq, 'event');
    if (body?.kind === 'left' && body.user === this.user) this.#absent.add(stream);
  }

  /** Into a stream that it was not in: at its user's join at the latest. What is before that it could read anyway. */
  #begin(stream: StreamId, seq: number): void {
    const joinSeq = this.#world.book.joinOf(stream, this.user);
    if (seq > joinSeq || seq <= (this.cursors.get(stream) ?? 0)) return;
    this.cursors.set(stream, seq - 1);
    if (seq === joinSeq) this.#absent.delete(stream);
  }

  /** D1 */
  #moveTo(stream: StreamId, seq: number, by: 'event' | 'ack'): void {
    this.#world.history.note(this.name, by, stream, `${seq}`);
    const cursor = this.cursors.get(stream);
    const skipped = this.#resynced.has(stream) && cursor !== undefined && seq > cursor;
    // An acknowledgement may be of what was left out; the stream goes on with the first event.
    if (by === 'event') this.#resynced.delete(stream);
    this.cursors.set(stream, seq);
    if (skipped || seq === (cursor ?? -1) + 1) return;
    const rule = cursor !== undefined && seq <= cursor ? 'each event is delivered once' : 'nothing is left out';
    this.#world.history.violate(rule, `${this.name} got ${seq} after ${cursor}`, stream);
  }

  /** Streams in which it is behind the log, of those that its user is in. */
  behind(channels: readonly ChannelId[]): string[] {
    const streams: StreamId[] = [...channels, this.user, TEAM];
    return streams.flatMap((stream) => {
      const tail = this.#world.book.tail(stream);
      const cursor = this.cursors.get(stream) ?? 0;
      return cursor === tail || this.#resynced.has(stream) ? [] : [`${this.name} ${stream} ${cursor}/${tail}`];
    });
  }
}
