/**
 * A cluster in one process, in manual time, over the in-memory broker: nodes that can be started, killed, frozen and
 * cut off, hosts that answer commands, and a checker over every answer given.
 *
 * K1  Of one slot, no answer of an older epoch follows one of a newer epoch.
 * K2  A host is never handed a command of a slot that is not open (H1 of slot-host.ts).
 */
import { expect } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { MemoryBrokerHub, type MemoryHubOptions } from '../../broker/memory-broker.ts';
import { CommandRouter } from '../../cluster/command-router.ts';
import { startMemberNode, type MemberNode } from '../../cluster/member-node.ts';
import type { HotBudget } from '../../cluster/hot-budget.ts';
import type { HotChunks, SlotGrant, SlotHost } from '../../cluster/slot-host.ts';
import { startWorkerNode, type WorkerNode } from '../../cluster/worker-node.ts';
import { ManualClock, type Clock, type Timer } from '../../platform/clock.ts';
import { createMemoryLogger, type LogLine } from '../../platform/logger.ts';
import { SeededRng } from '../../platform/rng.ts';
import type { NodeEntry, Role } from '../../protocol/cluster.ts';
import { decodeEnvelope, encodeReplies } from '../../protocol/envelopes.ts';
import { retryable } from '../../protocol/errors.ts';
import { makeIncarnation, parseNodeId, type Incarnation } from '../../protocol/ids.ts';

/** One node's view of the lab's time: stops with its process, catches up when it thaws, may be set wrongly. */
export class NodeClock implements Clock {
  readonly #clock: Clock;
  #state: 'running' | 'frozen' | 'dead' = 'running';
  #waiting: (() => void)[] = [];
  wallOffsetMs = 0;
  monotonicOffsetMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  wallMs(): number {
    return this.#clock.wallMs() + this.wallOffsetMs;
  }
  monotonicMs(): number {
    return this.#clock.monotonicMs() + this.monotonicOffsetMs;
  }
  setTimeout(run: () => void, delayMs: number): Timer {
    let cancelled = false;
    const timer = this.#clock.setTimeout(() => this.#fire(() => !cancelled && run()), delayMs);
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }
  setInterval(run: () => void, periodMs: number): Timer {
    return this.#clock.setInterval(() => {
      if (this.#state === 'running') run();
    }, periodMs);
  }
  defer(run: () => void): void {
    this.setTimeout(run, 0);
  }
  sleep(durationMs: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.setTimeout(() => resolve(true), durationMs);
      signal?.addEventListener('abort', () => {
        timer.cancel();
        resolve(false);
      });
      if (signal?.aborted === true) resolve(false);
    });
  }
  freeze(): void {
    this.#state = 'frozen';
  }
  thaw(): void {
    this.#state = 'running';
    for (const run of this.#waiting.splice(0)) run();
  }
  die(): void {
    this.#state = 'dead';
  }
  #fire(run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'frozen') this.#waiting.push(run);
  }
}

export class LabHost implements SlotHost {
  readonly open_ = new Map<number, SlotGrant>();
  readonly gateways: Incarnation[] = [];
  /** Hot chunks that came with slots, and what it gives with those that go. */
  readonly received: { slot: number; epoch: number; chunk: string }[] = [];
  leaves: (slot: number) => HotChunks = () => [];
  serving = false;
  /** Set to make `close` take until the promise resolves. */
  closing: Promise<void> | undefined;
  fenced: ((slot: number, epochSeen: number) => void) | undefined;
  readonly #lab: ClusterLab;
  readonly #broker: Broker;
  readonly #name: string;

  constructor(lab: ClusterLab, broker: Broker, name: string) {
    this.#lab = lab;
    this.#broker = broker;
    this.#name = name;
  }
  open(slot: number, grant: SlotGrant, hot: HotChunks = []): void {
    this.received.push(...hot.map((chunk) => ({ slot, epoch: grant.epoch, chunk: Buffer.from(chunk).toString() })));
    expect(this.open_.has(slot), `${this.#name} opens ${slot} twice`).toBe(false);
    this.open_.set(slot, grant);
  }
  deliver(slot: number, bytes: Uint8Array, reply: string | undefined): void {
    const grant = this.open_.get(slot);
    if (grant === undefined) throw new Error(`${this.#name} got a command of closed slot ${slot}`);
    const { requestId } = decodeEnvelope(bytes);
    if (reply === undefined) return;
    if (!this.serving) {
      this.#broker.commands.publish(reply, encodeReplies([{ requestId, ok: false, failure: retryable('unsure') }]));
      return;
    }
    this.#lab.answered(slot, grant.epoch, this.#name);
    this.#broker.commands.publish(
      reply,
      encodeReplies([{ requestId, ok: true, result: { by: this.#name, ...grant } }]),
    );
  }
  async close(slot: number, budget?: HotBudget): Promise<HotChunks> {
    await this.closing;
    this.open_.delete(slot);
    return budget === undefined ? [] : this.leaves(slot);
  }
  abandon(slot: number): void {
    this.open_.delete(slot);
  }
  setServing(serving: boolean): void {
    this.serving = serving;
  }
  gatewayGone(gateway: Incarnation): void {
    this.gateways.push(gateway);
  }
  gatewaysAlive(): void {}
  beforeAppend(): void {
    // This host appends nothing.
  }

  onFenced(listener: (slot: number, epochSeen: number) => void): void {
    this.fenced = listener;
  }
  actorCount(): number {
    return 0;
  }
}

export interface LabWorker {
  readonly name: string;
  readonly incarnation: Incarnation;
  readonly node: WorkerNode;
  readonly host: LabHost;
  readonly clock: NodeClock;
  readonly logs: readonly LogLine[];
  evicted: boolean;
}

export interface LabOptions extends Pick<MemoryHubOptions, 'latencyMs' | 'fate'> {
  readonly seed?: number;
  readonly system?: boolean;
  readonly slots?: number;
}

export class ClusterLab {
  readonly clock = new ManualClock();
  readonly rng: SeededRng;
  readonly hub: MemoryBrokerHub;
  readonly workers: LabWorker[] = [];
  readonly answers: { slot: number; epoch: number; by: string }[] = [];
  readonly #everStarted: Incarnation[] = [];
  readonly #newestEpochs = new Map<number, number>();
  readonly slots: number;
  readonly #withSystem: boolean;

  constructor(options: LabOptions = {}) {
    const { seed = 1, slots = 256, system = true, ...network } = options;
    this.rng = new SeededRng(seed);
    this.slots = slots;
    this.#withSystem = system;
    this.hub = new MemoryBrokerHub({ ...network, clock: this.clock, rng: this.rng });
  }

  /** K1 */
  answered(slot: number, epoch: number, by: string): void {
    const newest = this.#newestEpochs.get(slot) ?? 0;
    expect(epoch, `${by} answers in slot ${slot} after a newer owner did`).toBeGreaterThanOrEqual(newest);
    this.#newestEpochs.set(slot, epoch);
    this.answers.push({ slot, epoch, by });
  }

  startWorker(name: string, rest: Partial<NodeEntry> & { wallOffsetMs?: number } = {}): LabWorker {
    const { wallOffsetMs = 0, ...fields } = rest;
    const entry = this.entry(name, 'worker', fields);
    const clock = new NodeClock(this.clock);
    clock.wallOffsetMs = wallOffsetMs;
    const broker = this.hub.connect(entry.incarnation);
    const host = new LabHost(this, broker, name);
    const { logger, lines } = createMemoryLogger();
    const system = this.#withSystem ? this.hub.system() : undefined;
    const node = startWorkerNode({ broker, system, host, entry, clock, logger, slots: this.slots });
    const worker: LabWorker = { name, incarnation: entry.incarnation, node, host, clock, logs: lines, evicted: false };
    node.onEvicted(() => (worker.evicted = true));
    this.workers.push(worker);
    this.#everStarted.push(entry.incarnation);
    return worker;
  }

  /** `clock`: one of its own, so that it can be set wrongly. */
  startMember(name: string, role: Role, clock: Clock = this.clock): MemberNode {
    const entry = this.entry(name, role, {});
    const { logger } = createMemoryLogger();
    const broker = this.hub.connect(entry.incarnation);
    return startMemberNode({ broker, entry, clock, logger, load: () => 0 });
  }

  /** It believes anybody, also the dead, to own a slot: a table that is wrong costs time and nothing else. */
  startRouter(name: string): CommandRouter {
    const { incarnation } = this.entry(name, 'webapp', {});
    const { logger } = createMemoryLogger();
    return new CommandRouter({
      lane: this.hub.connect(incarnation).commands,
      self: incarnation,
      clock: this.clock,
      logger,
      ownerOf: () => this.#everStarted[this.rng.int(this.#everStarted.length)],
    });
  }

  entry(name: string, role: Role, rest: Partial<NodeEntry>): NodeEntry {
    const id = parseNodeId(name)!;
    return {
      id,
      incarnation: makeIncarnation(id, this.rng),
      role,
      zone: '',
      weight: 1,
      region: 'local',
      publicUrl: '',
      adminUrl: '',
      pid: 1,
      version: '0',
      startedAt: this.clock.wallMs(),
      ...rest,
    };
  }

  /** SIGKILL: the broker sees the connections end, the process does nothing any more. */
  kill(worker: LabWorker): void {
    worker.clock.die();
    this.hub.crash(worker.incarnation);
    this.workers.splice(this.workers.indexOf(worker), 1);
  }

  /** SIGSTOP and SIGCONT. */
  freeze(worker: LabWorker): void {
    worker.clock.freeze();
    this.hub.hold(worker.incarnation);
  }
  thaw(worker: LabWorker): void {
    // A real loop reads its sockets before or after its timers; reading first is the harder case.
    this.hub.release(worker.incarnation);
    worker.clock.thaw();
  }

  run(durationMs: number): Promise<void> {
    return this.clock.advanceAndSettle(durationMs);
  }

  /** Advances until the condition holds and gives the time it took, in ms. */
  async until(what: string, holds: () => boolean, withinMs: number): Promise<number> {
    const startMs = this.clock.monotonicMs();
    while (!holds()) {
      const tookMs = this.clock.monotonicMs() - startMs;
      expect(tookMs, `waited for ${what} (seed ${this.rng.seed})`).toBeLessThan(withinMs);
      await this.run(5);
    }
    return this.clock.monotonicMs() - startMs;
  }

  /** Every slot is open at exactly one living, serving host, as the newest table says. */
  isSettled(): boolean {
    const serving = this.workers.filter(({ host, evicted }) => host.serving && !evicted);
    const open = new Map<number, string>();
    for (const { host, incarnation } of serving) {
      for (const slot of host.open_.keys()) {
        if (open.has(slot)) return false;
        open.set(slot, incarnation);
      }
    }
    const tables = serving.map(({ node }) => node.table()).sort((a, b) => b.view - a.view);
    const rows = tables[0]?.rows ?? [];
    return (
      rows.length > 0 &&
      rows.every(({ owner, state }, slot) => owner !== undefined && state === 'stable' && open.get(slot) === owner)
    );
  }

  settled(withinMs = 3_000): Promise<number> {
    return this.until('every slot to be served', () => this.isSettled(), withinMs);
  }

  shares(): number[] {
    return this.workers.map(({ node }) => node.owned().length);
  }

  async stop(): Promise<void> {
    let isStopped = false;
    const stopped = Promise.all(this.workers.map(({ node }) => node.stop())).then(() => {
      isStopped = true;
    });
    while (!isStopped) await this.run(10);
    await stopped;
  }
}
