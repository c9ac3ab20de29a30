/**
 * Who is in the cluster: the node entries in the bucket, joined with the heartbeats heard here. Being listed is what
 * counts: only the ring manager judges, and whom it judges dead it deletes. Hearing is kept for its judgement, and for
 * choosing whom to talk to.
 *
 * Invariants:
 * M1  An incarnation joins once and goes once; after it went nothing brings it back.
 * M2  A node is gone when its entry was deleted, or was missing from a listing begun after we learned of the node.
 *     Silence alone removes nobody.
 * M3  A heartbeat counts as its subject's node, whose role the broker's permissions hold: no gateway beats for a worker.
 */
import type { KeyValue, KvChange, KvEntry, Messaging, Subscription } from '../broker/broker.ts';
import { subjects } from '../broker/subjects.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import { decodeHeartbeat, decodeNodeEntry, type Heartbeat, type NodeEntry, type Role } from '../protocol/cluster.ts';
import { DecodeError } from '../protocol/errors.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { ClockOffset, medianMs } from './clock-offset.ts';
import { NODE_KEYS, nodeKey } from './own-node.ts';

export interface Member {
  readonly entry: NodeEntry;
  /** The last heartbeat, once there was one. */
  readonly beat: Heartbeat | undefined;
  /** Monotonic time of that heartbeat; before one, of learning of the node. */
  readonly heardMs: number;
  /** How far our wall clock is ahead of the node's, ms; undefined before a heartbeat. */
  readonly clockOffsetMs: number | undefined;
  /** The same of the monotonic clocks, which never step. */
  readonly monotonicOffsetMs: number | undefined;
}

interface MutableMember {
  readonly entry: NodeEntry;
  readonly offset: ClockOffset;
  readonly monotonicOffset: ClockOffset;
  readonly learnedMs: number;
  beat: Heartbeat | undefined;
  heardMs: number;
}

export interface MembershipOptions {
  readonly bucket: KeyValue;
  readonly lane: Messaging;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Membership {
  readonly #options: MembershipOptions;
  readonly #members = new Map<Incarnation, MutableMember>();
  /** M1. Oldest first, at most nodesMax: an incarnation silent for that many deaths does not come back. */
  readonly #gone = new Set<Incarnation>();
  readonly #onJoined: ((member: Member) => void)[] = [];
  readonly #onGone: ((entry: NodeEntry) => void)[] = [];
  readonly #onBeat: ((beat: Heartbeat) => void)[] = [];
  #subscription: Subscription | undefined;
  #watch: { stop(): void } | undefined;
  #timer: Timer | undefined;
  #listing: Promise<void> | undefined;
  #listedMs = Number.NEGATIVE_INFINITY;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Listens, and resolves when the present nodes are known (or the bucket could not be read; it is tried again). */
  async start(): Promise<void> {
    const { bucket, lane, clock } = this.#options;
    this.#subscription = lane.subscribe(subjects.heartbeats, ({ subject, data }) => this.#hear(subject, data));
    this.#watch = bucket.watch(NODE_KEYS, (change) => this.#change(change));
    this.#timer = clock.setInterval(() => this.#refreshWhenSilent(), limits.suspectAfterMs);
    await this.refresh();
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    this.#watch?.stop();
    this.#timer?.cancel();
  }

  onJoined(listener: (member: Member) => void): void {
    this.#onJoined.push(listener);
  }
  onGone(listener: (entry: NodeEntry) => void): void {
    this.#onGone.push(listener);
  }
  onBeat(listener: (beat: Heartbeat) => void): void {
    this.#onBeat.push(listener);
  }

  get(incarnation: Incarnation): Member | undefined {
    const member = this.#members.get(incarnation);
    return member === undefined ? undefined : view(member);
  }

  nodes(role?: Role): readonly Member[] {
    const members = [...this.#members.values()];
    return (role === undefined ? members : members.filter(({ entry }) => entry.role === role)).map(view);
  }

  /** Listed, and heard within the time in which a living node certainly speaks. */
  isFresh(member: Member): boolean {
    return member.beat !== undefined && this.#options.clock.monotonicMs() - member.heardMs < limits.judgingGraceMs;
  }

  /** How far our wall clock is ahead of the median node's. */
  clockAheadMs(): number {
    return medianMs([...this.#members.values()].flatMap(({ offset }) => offset.estimateMs() ?? []));
  }

  /** Whoever has been silent because we could not hear has not been silent. */
  forgiveSilence(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const member of this.#members.values()) member.heardMs = nowMs;
  }

  /** We deleted the entry ourselves. */
  noteGone(incarnation: Incarnation): void {
    this.#remove(incarnation);
  }

  /** Reads the entries; one listing at a time. Never rejects. */
  refresh(): Promise<void> {
    this.#listing ??= this.#list().finally(() => (this.#listing = undefined));
    return this.#listing;
  }

  async #list(): Promise<void> {
    const { bucket, clock, logger } = this.#options;
    const begunMs = clock.monotonicMs();
    try {
      const entries = (await bucket.entries(NODE_KEYS)).map((entry) => this.#decode(entry));
      this.#listedMs = begunMs;
      const present = new Set<Incarnation>();
      for (const entry of entries) {
        if (entry === undefined) continue;
        present.add(entry.incarnation);
        this.#add(entry);
      }
      for (const { entry, learnedMs } of [...this.#members.values()]) {
        if (!present.has(entry.incarnation) && learnedMs < begunMs) this.#remove(entry.incarnation);
      }
    } catch (error) {
      logger.debug('nodes_unread', { error });
    }
  }

  #hear(subject: string, data: Uint8Array): void {
    const beat = this.#decodeBeat(subject, data);
    if (beat === undefined || this.#gone.has(beat.incarnation)) return;
    const member = this.#members.get(beat.incarnation);
    if (member === undefined) {
      // The watch is late or deaf; the entry was there before the first heartbeat.
      if (this.#options.clock.monotonicMs() - this.#listedMs >= limits.heartbeatMs) void this.refresh();
      return;
    }
    member.beat = beat;
    member.heardMs = this.#options.clock.monotonicMs();
    member.offset.add(this.#options.clock.wallMs() - beat.wallMs);
    member.monotonicOffset.add(member.heardMs - beat.monotonicMs);
    for (const listener of this.#onBeat) listener(beat);
  }

  #change(change: KvChange): void {
    if (change.kind === 'delete') {
      this.#remove(change.key.slice(change.key.lastIndexOf('.') + 1) as Incarnation);
      return;
    }
    const entry = this.#decode(change.entry);
    if (entry !== undefined) this.#add(entry);
  }

  #add(entry: NodeEntry): void {
    if (this.#members.has(entry.incarnation) || this.#gone.has(entry.incarnation)) return;
    const nowMs = this.#options.clock.monotonicMs();
    const offsets = { offset: new ClockOffset(), monotonicOffset: new ClockOffset() };
    const member = { entry, ...offsets, learnedMs: nowMs, beat: undefined, heardMs: nowMs };
    this.#members.set(entry.incarnation, member);
    this.#options.logger.debug('node_joined', { node: entry.incarnation, nodeRole: entry.role });
    for (const listener of this.#onJoined) listener(view(member));
  }

  #remove(incarnation: Incarnation): void {
    const member = this.#members.get(incarnation);
    this.#gone.add(incarnation);
    for (const oldest of this.#gone) {
      if (this.#gone.size <= limits.nodesMax) break;
      this.#gone.delete(oldest);
    }
    if (member === undefined) return;
    this.#members.delete(incarnation);
    this.#options.logger.debug('node_gone', { node: incarnation, nodeRole: member.entry.role });
    for (const listener of this.#onGone) listener(member.entry);
  }

  /** A deaf watch does not tell of a deletion: a silent node's entry is looked at. */
  #refreshWhenSilent(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const sinceMs = nowMs - this.#listedMs;
    const silent = [...this.#members.values()].some(({ heardMs }) => nowMs - heardMs > limits.suspectAfterMs);
    if (sinceMs >= (silent ? limits.tableRefreshMs : limits.nodesRefreshMs)) void this.refresh();
  }

  /** An entry under another role's key is somebody's forgery. */
  #decode({ key, value }: KvEntry): NodeEntry | undefined {
    const entry = this.#tryDecode(() => decodeNodeEntry(value));
    if (entry === undefined || key === nodeKey(entry.role, entry.incarnation)) return entry;
    this.#options.logger.warn('membership_message_dropped', { reason: 'key and entry differ', key });
    return undefined;
  }
  /** M3 */
  #decodeBeat(subject: string, bytes: Uint8Array): Heartbeat | undefined {
    const beat = this.#tryDecode(() => decodeHeartbeat(bytes));
    if (beat === undefined) return undefined;
    const role = this.#members.get(beat.incarnation)?.entry.role ?? beat.role;
    if (beat.role === role && subject === subjects.heartbeat(role, beat.incarnation)) return beat;
    this.#options.logger.warn('membership_message_dropped', { reason: 'subject and beat differ', subject });
    return undefined;
  }
  #tryDecode<T>(decode: () => T): T | undefined {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#options.logger.warn('membership_message_dropped', { reason: error.message });
      return undefined;
    }
  }
}

function view({ entry, beat, heardMs, offset, monotonicOffset }: MutableMember): Member {
  const offsets = { clockOffsetMs: offset.estimateMs(), monotonicOffsetMs: monotonicOffset.estimateMs() };
  return { entry, beat, heardMs, ...offsets };
}
