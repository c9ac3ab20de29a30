/**
 * Watches the nodes it is told to, gathers evidence, pings suspects, and says who is dead. Judging is the ring
 * manager's; the others watch the ring manager only.
 *
 * Invariants:
 * W1  Nobody is judged while we cannot hear: with our control lane down, or within the grace after it came back.
 * W2  After a stall of our own loop everybody's silence starts again: their heartbeats may be waiting in our socket.
 */
import type { BrokerSystem, Messaging } from '../broker/broker.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { NodeEntry } from '../protocol/cluster.ts';
import { parseIncarnation, type Incarnation } from '../protocol/ids.ts';
import type { ControlChannel } from './control-channel.ts';
import { isSilent, judge, newEvidence, noteBeat, notePong, type Evidence } from './failure-detector.ts';
import type { Member, Membership } from './membership.ts';

export interface NodeWatchOptions {
  readonly self: Incarnation;
  readonly membership: Membership;
  readonly control: ControlChannel;
  readonly lane: Messaging;
  readonly system: BrokerSystem | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whom to judge now. */
  readonly inScope: (member: Member) => boolean;
  /** Said again at each round until the node is no longer listed. */
  readonly onDead: (incarnation: Incarnation) => void;
}

interface Watched {
  readonly evidence: Evidence;
  lastPingMs: number;
  isLogged: boolean;
}

export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #watched = new Map<Incarnation, Watched>();
  readonly #cleanups: (() => void)[] = [];
  #timer: Timer | undefined;
  #roundMs = 0;
  #judgeFromMs = 0;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
  }

  start(): void {
    const { membership, lane, system, clock } = this.#options;
    membership.onBeat(({ incarnation }) => noteBeat(this.#of(incarnation).evidence, clock.monotonicMs()));
    membership.onGone(({ incarnation }) => void this.#watched.delete(incarnation));
    this.#cleanups.push(lane.onStatus((status) => this.#laneChanged(status === 'connected')));
    const stopListening = system?.onDisconnect(({ clientName }) => this.#connectionEnded(clientName));
    if (stopListening !== undefined) this.#cleanups.push(stopListening);
    this.#roundMs = clock.monotonicMs();
    this.#timer = clock.setInterval(() => this.#round(), limits.ringManagerRoundMs);
  }

  stop(): void {
    this.#timer?.cancel();
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
  }

  /** W1 */
  get judging(): boolean {
    const { lane, clock } = this.#options;
    return lane.status() === 'connected' && clock.monotonicMs() >= this.#judgeFromMs;
  }

  /** Whom to judge has changed: what is known already may be enough. */
  look(): void {
    this.#examineAll();
  }

  #of(incarnation: Incarnation): Watched {
    let watched = this.#watched.get(incarnation);
    if (watched === undefined) {
      const heardMs = this.#options.membership.get(incarnation)?.heardMs ?? this.#options.clock.monotonicMs();
      watched = { evidence: newEvidence(heardMs), lastPingMs: Number.NEGATIVE_INFINITY, isLogged: false };
      this.#watched.set(incarnation, watched);
    }
    return watched;
  }

  #laneChanged(connected: boolean): void {
    if (!connected) return;
    this.#judgeFromMs = this.#options.clock.monotonicMs() + limits.judgingGraceMs;
    this.#startOver();
  }

  #startOver(): void {
    this.#options.membership.forgiveSilence();
    this.#watched.clear();
  }

  /** `belfry.<incarnation>.<lane>` */
  #connectionEnded(clientName: string): void {
    const [product, name, lane] = clientName.split('.');
    const incarnation = parseIncarnation(name);
    if (product !== 'belfry' || incarnation === undefined || lane === undefined) return;
    if (this.#options.membership.get(incarnation) === undefined) return;
    this.#of(incarnation).evidence.lanesLost.set(lane, this.#options.clock.monotonicMs());
    this.#examineAll();
  }

  #round(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const stalled = nowMs - this.#roundMs > limits.ringManagerRoundMs + limits.loopStallMs;
    this.#roundMs = nowMs;
    if (stalled) this.#startOver();
    this.#examineAll();
  }

  #examineAll(): void {
    if (!this.judging) return;
    const { membership, self, inScope, clock } = this.#options;
    const others = membership.nodes().filter(({ entry }) => entry.incarnation !== self);
    const nowMs = clock.monotonicMs();
    const silent = others.filter(({ entry }) => isSilent(this.#of(entry.incarnation).evidence, nowMs)).length;
    const manySilent = silent > 1 && silent * 2 > others.length;
    for (const member of others) if (inScope(member)) this.#examine(member, manySilent);
  }

  #examine({ entry }: Member, manySilent: boolean): void {
    const { clock, system, onDead, logger } = this.#options;
    const watched = this.#of(entry.incarnation);
    const nowMs = clock.monotonicMs();
    const circumstances = { nowMs, role: entry.role, advisories: system !== undefined, manySilent };
    const verdict = judge(watched.evidence, circumstances);
    if (verdict === 'well') return;
    if (verdict === 'dead') {
      const silentMs = Math.round(nowMs - watched.evidence.heardMs);
      if (!watched.isLogged) logger.info('node_dead', { node: entry.incarnation, nodeRole: entry.role, silentMs });
      watched.isLogged = true;
      onDead(entry.incarnation);
      return;
    }
    if (nowMs - watched.lastPingMs >= limits.suspectPingEveryMs) void this.#ping(entry, watched);
  }

  async #ping(entry: NodeEntry, watched: Watched): Promise<void> {
    const { clock, control } = this.#options;
    const { evidence } = watched;
    watched.lastPingMs = clock.monotonicMs();
    evidence.pingedMs ??= watched.lastPingMs;
    const answer = await control.ping(entry, limits.suspectPingMs);
    if (answer.kind === 'answer') notePong(evidence, clock.monotonicMs());
    if (answer.kind !== 'nobody') return;
    evidence.nobodyMs ??= clock.monotonicMs();
    this.#examineAll();
  }
}
