/**
 * The ring manager: runs on every worker, acts on the elected one. Each round looks at the table and the members,
 * plans (ring-plan.ts), evicts the dead, and writes the next table by compare-and-set.
 *
 * Invariants:
 * G1  Every table write is a compare-and-set on the revision the plan was made from; what it lost is planned again.
 * G2  A dead node is marked first (its entry deleted), evicted second, replaced in the table third.
 * G3  All it keeps besides the table is a hint that a successor can do without.
 * G4  Nothing is planned twice: a round that finds the table, the workers and what it heard as they were when it last had
 *     nothing to do, does nothing. Most rounds of a hand-off are such, and planning stalls the loop.
 * G5  While a dead node is being marked or cut off nothing is planned, for at most `evictionRoundMs`: its slots would have
 *     to wait for the plan, and the plan would have to be made again.
 */
import type { KeyValue, KvWrite } from '../broker/broker.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { SlotRow } from '../protocol/cluster.ts';
import type { SlotClaim } from '../protocol/control.ts';
import type { Incarnation } from '../protocol/ids.ts';
import { clocksOff } from './clock-offset.ts';
import type { ControlChannel } from './control-channel.ts';
import type { Eviction } from './eviction.ts';
import { HandoffLedger } from './handoff-ledger.ts';
import type { Candidate } from './hash-table.ts';
import type { Leadership } from './leadership.ts';
import type { Membership } from './membership.ts';
import { nodeKey, type OwnNode } from './own-node.ts';
import { HandoffPace } from './handoff-pace.ts';
import { MoveCourse } from './move-course.ts';
import { planRing } from './ring-plan.ts';
import { unownedRows, type SlotTable } from './slot-table.ts';
import { TABLE_KEY, type TableFollower } from './table-follower.ts';

export interface RingManagerOptions {
  readonly node: OwnNode;
  readonly membership: Membership;
  readonly follower: TableFollower;
  readonly leadership: Leadership;
  readonly control: ControlChannel;
  readonly bucket: KeyValue;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Rows of the first table; a simulation takes fewer than SLOTS. */
  readonly slots: number;
  readonly evict: (dead: Incarnation) => Promise<Eviction>;
}

interface Rest {
  readonly table: SlotTable;
  /** As JSON. */
  readonly workers: string;
  readonly news: number;
}

export class RingManager {
  readonly #options: RingManagerOptions;
  readonly #ledger = new HandoffLedger();
  readonly #pace = new HandoffPace();
  readonly #course = new MoveCourse();
  readonly #evicted = new Map<Incarnation, Eviction>();
  readonly #evicting = new Set<Incarnation>();
  readonly #marking = new Set<Incarnation>();
  readonly #asking = new Set<Incarnation>();
  readonly #letGoFailures = new Map<Incarnation, number>();
  readonly #seenEpochs = new Map<number, number>();
  #timer: Timer | undefined;
  #soon: Timer | undefined;
  #leaderSinceMs: number | undefined;
  /** Since when somebody is being marked or cut off (G5). */
  #cuttingSinceMs: number | undefined;
  #running = false;
  #again = false;
  /** Counts what was heard that a plan depends on. */
  #news = 0;
  /** When there was nothing to do (G4). */
  #atRest: Rest | undefined;

  constructor(options: RingManagerOptions) {
    this.#options = options;
  }

  start(): void {
    const { control, clock, follower, membership, leadership } = this.#options;
    control.handle('opened', ({ claims }) => this.#opened(claims));
    control.handle('raise', ({ claims }) => this.#raise(claims));
    follower.onTable(() => this.poke());
    membership.onGone(() => this.poke());
    leadership.onChange(() => this.poke());
    this.#timer = clock.setInterval(() => this.poke(), limits.ringManagerRoundMs);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#soon?.cancel();
    this.#timer = undefined;
  }

  /** Something may have changed. Rounds never overlap; a poke during one causes one more. */
  poke(): void {
    this.#again = true;
    if (!this.#running && this.#timer !== undefined) void this.#run();
  }

  /** The verdict is in: mark it, and everything else follows from its entry being gone (G2). */
  declareDead(incarnation: Incarnation): void {
    if (!this.#options.leadership.isLeader() || this.#marking.has(incarnation)) return;
    this.#marking.add(incarnation);
    void this.#mark(incarnation);
  }

  async #mark(incarnation: Incarnation): Promise<void> {
    const { bucket, membership } = this.#options;
    const role = membership.get(incarnation)?.entry.role ?? 'worker';
    const write = await bucket.delete(nodeKey(role, incarnation));
    this.#marking.delete(incarnation);
    if (write.kind !== 'written') return;
    membership.noteGone(incarnation);
    this.poke();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#again && this.#timer !== undefined) {
      this.#again = false;
      await this.#round();
    }
    this.#running = false;
  }

  async #round(): Promise<void> {
    const { leadership, clock, follower } = this.#options;
    if (!leadership.isLeader()) {
      this.#resign();
      return;
    }
    this.#leaderSinceMs ??= clock.monotonicMs();
    if (follower.table.view === 0 && !(await this.#mayCreateTable())) return;
    this.#ledger.observe(follower.table, clock.monotonicMs());
    this.#forgetOld();
    const workers = this.#candidates();
    const seen = { table: follower.table, workers: JSON.stringify(workers), news: this.#news };
    const deadCount = this.#evictDead(workers);
    if (!this.#isAtRest(seen) && !this.#isCuttingOff()) {
      const rows = this.#plan(workers);
      this.#atRest = rows === undefined && deadCount === 0 ? seen : undefined;
      if (rows !== undefined) await this.#write(rows);
    }
    this.#chaseHandoffs();
    const waitMs = this.#pace.waitMs(clock.monotonicMs());
    if (waitMs > 0) this.#lookIn(waitMs);
  }

  /** Begins the eviction of whoever the table names and nobody lists any more; gives their number. */
  #evictDead(workers: readonly Candidate[]): number {
    const living = new Set(workers.map(({ incarnation }) => incarnation));
    const dead = [...this.#options.follower.table.members()].filter(
      (name) => !living.has(name) && !this.#evicted.has(name),
    );
    for (const name of dead) void this.#evict(name);
    return dead.length;
  }

  /** G5 */
  #isCuttingOff(): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#marking.size + this.#evicting.size === 0) this.#cuttingSinceMs = undefined;
    else this.#cuttingSinceMs ??= nowMs;
    return this.#cuttingSinceMs !== undefined && nowMs - this.#cuttingSinceMs < limits.evictionRoundMs;
  }

  #isAtRest({ table, workers, news }: Rest): boolean {
    const last = this.#atRest;
    return last !== undefined && last.table === table && last.workers === workers && last.news === news;
  }

  #resign(): void {
    if (this.#leaderSinceMs === undefined) return;
    this.#leaderSinceMs = undefined;
    this.#atRest = undefined;
    this.#ledger.clear();
    this.#evicted.clear();
    this.#seenEpochs.clear();
    this.#letGoFailures.clear();
  }

  /** Not before workers that start together had their chance, and only if there really is no table. */
  async #mayCreateTable(): Promise<boolean> {
    const { clock, follower } = this.#options;
    if (clock.monotonicMs() - (this.#leaderSinceMs ?? 0) < limits.firstTableWaitMs) return false;
    if (!this.#candidates().some(({ takes }) => takes)) return false;
    return (await follower.read()) === 'read';
  }

  #plan(workers: readonly Candidate[]): readonly SlotRow[] | undefined {
    const { rows } = this.#options.follower.table;
    return planRing({
      rows: rows.length === 0 ? unownedRows(this.#options.slots) : rows,
      workers,
      evicted: this.#evicted,
      isOpened: (slot, epoch) => this.#ledger.isOpened(slot, epoch),
      isLetGo: (slot, epoch) => this.#ledger.isLetGo(slot, epoch),
      handoffMax: this.#pace.slotsMax(this.#options.clock.monotonicMs()),
      seenEpochs: this.#seenEpochs,
      movesOf: (owners, candidates) => this.#course.movesOf(owners, candidates),
    });
  }

  #candidates(): readonly Candidate[] {
    const { membership, node } = this.#options;
    const offsets = new Map<Incarnation, number>([[node.incarnation, 0]]);
    for (const { entry, clockOffsetMs } of membership.nodes()) {
      if (clockOffsetMs !== undefined && entry.incarnation !== node.incarnation) {
        offsets.set(entry.incarnation, clockOffsetMs);
      }
    }
    const off = clocksOff(offsets, limits.clockSkewMsMax);
    return membership.nodes('worker').map(({ entry, beat }) => {
      const { incarnation, id, weight, zone } = entry;
      const state = incarnation === node.incarnation ? node.state : beat?.state;
      const draining = state === 'draining' || !(weight > 0);
      // A pause is short, or ends in death: shares that moved for it would have to move back.
      const takes = (state === 'serving' || state === 'paused') && !off.has(incarnation);
      return { incarnation, key: id, weight, zone, draining, takes };
    });
  }

  async #write(rows: readonly SlotRow[]): Promise<void> {
    const { bucket, follower, node, logger } = this.#options;
    const { table } = follower;
    const { view } = table;
    const value = follower.encode(rows);
    const write: KvWrite = await (view === 0 ? bucket.create(TABLE_KEY, value) : bucket.update(TABLE_KEY, value, view));
    if (write.kind !== 'written') {
      logger.debug('table_write_lost', { view, outcome: write.kind });
      await follower.read();
      return;
    }
    // Our own watch may have shown it to us before the answer came.
    follower.accept({ value, revision: write.revision });
    const begun = follower.table.changesSince(table).filter(({ before, after }) => isBegun(before, after));
    this.#pace.written(begun.length, this.#options.clock.monotonicMs());
    logger.info('table_written', { view: write.revision, ...follower.table.totals() });
    // Whoever's watch is deaf reads the table on this.
    node.beat();
  }

  /** G2: only if the entry is really gone; our list may lag behind the bucket. */
  async #evict(dead: Incarnation): Promise<void> {
    if (this.#evicting.has(dead)) return;
    this.#evicting.add(dead);
    const { bucket, evict, membership } = this.#options;
    const read = await bucket.get(nodeKey('worker', dead));
    if (read.kind === 'absent') this.#evicted.set(dead, await evict(dead));
    this.#news += 1;
    if (read.kind === 'found') await membership.refresh();
    this.#evicting.delete(dead);
    // Otherwise the next timed round tries again: at once would be for ever while the broker is away.
    if (read.kind === 'absent') this.poke();
  }

  /** Evicted owners that the table names no more, and epochs that it has reached. */
  #forgetOld(): void {
    const { table } = this.#options.follower;
    const named = this.#evicted.size > 0 ? table.members() : undefined;
    for (const name of this.#evicted.keys()) if (named?.has(name) === false) this.#evicted.delete(name);
    for (const [slot, epoch] of this.#seenEpochs) if (table.row(slot).epoch > epoch) this.#seenEpochs.delete(slot);
  }

  #chaseHandoffs(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const overdue = this.#ledger.overdue(nowMs);
    for (const [owner, claims] of this.#ledger.toAsk(nowMs)) void this.#askStatus(owner, claims);
    for (const [from, claims] of overdue) void this.#askToLetGo(from, claims);
    for (const name of this.#letGoFailures.keys()) if (!overdue.has(name)) this.#letGoFailures.delete(name);
  }

  async #askStatus(owner: Incarnation, claims: readonly SlotClaim[]): Promise<void> {
    if (this.#asking.has(owner)) return;
    this.#asking.add(owner);
    const answer = await this.#options.control.ask(owner, { kind: 'status', claims });
    this.#asking.delete(owner);
    if (answer.kind === 'answer' && answer.claims.length > 0) this.#opened(answer.claims);
  }

  /**
   * Past the deadline an owner that answers is not cut off, which would cost all its slots: it drops the late ones, and
   * their rows carry `fence` because an append of it may still be under way. Whether one is dead is the watch's to say;
   * one that beats and never answers is, in the end.
   */
  async #askToLetGo(from: Incarnation, claims: readonly SlotClaim[]): Promise<void> {
    if (this.#asking.has(from)) return;
    this.#asking.add(from);
    const answer = await this.#options.control.ask(from, { kind: 'let-go', claims }, limits.handoffMs);
    this.#asking.delete(from);
    if (answer.kind === 'answer') {
      this.#letGoFailures.delete(from);
      this.#ledger.noteLetGo(answer.claims);
      this.#news += 1;
      this.poke();
      return;
    }
    const failures = (this.#letGoFailures.get(from) ?? 0) + 1;
    this.#letGoFailures.set(from, failures);
    this.#options.logger.warn('handoff_overdue', { node: from, slots: claims.length, failures });
    if (failures >= limits.letGoAttemptsMax) this.declareDead(from);
  }

  /** The slots are served already; their new owners' words are gathered for one write. */
  #opened(claims: readonly SlotClaim[]): undefined {
    this.#ledger.noteOpened(claims);
    this.#lookIn(limits.handoffOverlapMs);
  }

  /** Plans again then, but not before the next step may begin: one table for both. */
  #lookIn(delayMs: number): void {
    this.#soon ??= this.#options.clock.setTimeout(() => {
      this.#soon = undefined;
      // A timer that was set late in a long turn of the loop fires early.
      const waitMs = this.#pace.waitMs(this.#options.clock.monotonicMs());
      if (waitMs > 0) return this.#lookIn(waitMs);
      this.#news += 1;
      this.poke();
    }, delayMs);
  }

  #raise(claims: readonly SlotClaim[]): undefined {
    const { table } = this.#options.follower;
    for (const [slot, seen] of claims) {
      if (slot < table.rows.length && seen >= table.row(slot).epoch) this.#seenEpochs.set(slot, seen);
    }
    this.#news += 1;
    this.poke();
  }
}

function isBegun(before: SlotRow, after: SlotRow): boolean {
  return after.state === 'handoff' && after.epoch > before.epoch;
}
