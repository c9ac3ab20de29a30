/**
 * The worker's side of the table: subscribes to the commands of the slots it owns and hands them to the host; gives
 * slots away and takes them over.
 *
 * Hand-off O -> N: N subscribes, buffers and says `prepared`; O, a little later, drains its subscription, closes the
 * slot and asks N to take the `release`, hot chunks before it; N opens the slot with what arrived of them, buffered
 * commands first, and tells the ring manager.
 *
 * Invariants:
 * O1  A slot is open in the host only while it is `serving` or `releasing` here.
 * O2  `release` is sent only when everything delivered has been answered, never for a slot that was let go half-done.
 * O3  A command is handed to the host, buffered, passed on (direct-commands.ts) or answered as retryable; none is just
 *     dropped.
 */
import type { BrokerMessage, Messaging, Subscription } from '../broker/broker.ts';
import { COMMAND_QUEUE, subjects } from '../broker/subjects.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { SlotRow } from '../protocol/cluster.ts';
import type { SlotClaim } from '../protocol/control.ts';
import { decodeEnvelope, encodeReplies } from '../protocol/envelopes.ts';
import { DecodeError, retryable } from '../protocol/errors.ts';
import type { Incarnation } from '../protocol/ids.ts';
import type { ControlChannel } from './control-channel.ts';
import { DirectCommands } from './direct-commands.ts';
import { DueSlots } from './due-slots.ts';
import { HandoffBuffer } from './handoff-buffer.ts';
import { HandoffSender } from './handoff-sender.ts';
import type { HotBudget } from './hot-budget.ts';
import { HotInbox } from './hot-inbox.ts';
import { decideSlot, type SlotPhase, type SlotStep } from './slot-decision.ts';
import type { HotChunks, SlotHost } from './slot-host.ts';
import type { SlotTable } from './slot-table.ts';

export interface SlotOwnerOptions {
  readonly self: Incarnation;
  readonly commands: Messaging;
  readonly control: ControlChannel;
  readonly host: SlotHost;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly table: () => SlotTable;
  /** The ring manager, as far as it is known. */
  readonly manager: () => Incarnation | undefined;
  /** Called before each delivery and each append: the last chance to notice that this process slept. */
  readonly checkPulse: () => void;
}

const ABSENT: SlotPhase = { kind: 'absent' };

type SlotAndRow = readonly [slot: number, row: SlotRow];

interface HeldSlot {
  phase: SlotPhase;
  subscription: Subscription | undefined;
}

export class SlotOwner {
  readonly #options: SlotOwnerOptions;
  readonly #slots = new Map<number, HeldSlot>();
  readonly #buffer = new HandoffBuffer();
  readonly #inbox = new HotInbox();
  readonly #sender: HandoffSender;
  readonly #fenced = new Map<number, number>();
  /** Those whose row changed. */
  readonly #due: DueSlots<SlotAndRow>;
  readonly #opened: SlotClaim[] = [];
  #direct: DirectCommands | undefined;
  #chores: Timer | undefined;
  #telling = false;
  #ended = false;

  constructor(options: SlotOwnerOptions) {
    this.#options = options;
    this.#due = new DueSlots({
      clock: options.clock,
      look: (slot) => this.#lookAt(slot),
      handle: (rows) => this.#followThese(rows),
    });
    this.#sender = new HandoffSender({
      ...options,
      finish: (slot, epoch, budget) => this.#finish(slot, epoch, budget),
      owes: (slot, epoch) => this.#owesRelease(slot, epoch),
    });
  }

  start(): void {
    const { control, clock, host } = this.#options;
    control.handle('prepared', ({ from, claims }) => this.#sender.prepared(from, claims));
    control.handle('hot', ({ claims, chunk, from }) => this.#takeHot(claims, chunk, from));
    control.handle('release', ({ claims }) => claims.filter((claim) => this.#takeReleased(claim)));
    control.handle('status', ({ claims }) => claims.filter(([slot, epoch]) => this.#serves(slot, epoch)));
    control.handle('let-go', ({ claims }) => claims.filter((claim) => this.#letGo(claim)));
    host.beforeAppend(() => this.#options.checkPulse());
    host.onFenced((slot, epochSeen) => void this.#fenced.set(slot, epochSeen));
    this.#direct = new DirectCommands({ ...this.#options, serves: (slot) => this.#phase(slot).kind === 'serving' });
    this.#chores = clock.setInterval(() => this.#askForHigherEpochs(), limits.tableRefreshMs / 2);
  }

  /** Slots that are open here. */
  owned(): readonly number[] {
    return [...this.#slots].filter(([, { phase }]) => isOpen(phase)).map(([slot]) => slot);
  }

  ownedCount(): number {
    let count = 0;
    for (const { phase } of this.#slots.values()) if (isOpen(phase)) count += 1;
    return count;
  }

  /**
   * Level-triggered: brings every slot whose row changed in line with the newest table. The step of any other was decided
   * when its row came, and is when its phase changes.
   */
  follow(table: SlotTable, previous: SlotTable): void {
    for (const { slot } of table.changesSince(previous)) this.#due.add(slot);
    this.#due.run();
  }

  #lookAt(slot: number): SlotAndRow | undefined {
    const { self, table } = this.#options;
    const row = table().row(slot);
    const isOurs = row.owner === self || row.from === self || this.#slots.has(slot);
    return isOurs && this.#nextStep(slot, row) !== 'none' ? [slot, row] : undefined;
  }

  #followThese(rows: readonly SlotAndRow[]): void {
    if (this.#ended) return;
    const coming: { slot: number; row: SlotRow }[] = [];
    const going: { slot: number; row: SlotRow }[] = [];
    for (const [slot, row] of rows) {
      const step = this.#step(slot, row);
      if (step === 'prepare') coming.push({ slot, row });
      if (step === 'release') going.push({ slot, row });
    }
    if (coming.length > 0) void this.#prepare(coming);
    for (const [to, claims] of byOwner(going)) this.#sender.release(to, claims);
  }

  #nextStep(slot: number, row: SlotRow): SlotStep {
    return decideSlot(this.#phase(slot), row, this.#options.self);
  }

  /** At once, all of it: this incarnation is dead, or the process ends without a drain. */
  abandonAll(reason: string): void {
    this.#ended = true;
    this.#chores?.cancel();
    this.#direct?.stop();
    this.#sender.stop();
    for (const slot of [...this.#slots.keys()]) this.#drop(slot, reason);
  }

  /** Planned, when there is nobody to hand off to: finishes what came. */
  async closeAll(): Promise<void> {
    this.#ended = true;
    await this.#direct?.drain();
    await Promise.all([...this.#slots].map(([slot, held]) => this.#closeOne(slot, held)));
    this.#slots.clear();
  }

  async #closeOne(slot: number, { phase, subscription }: HeldSlot): Promise<void> {
    await subscription?.drain();
    if (isOpen(phase)) await this.#options.host.close(slot);
  }

  /** Carries out all steps but the two that are done for many slots together. */
  #step(slot: number, row: SlotRow): 'none' | 'done' | 'prepare' | 'release' {
    const step = this.#nextStep(slot, row);
    switch (step) {
      case 'none':
        return 'none';
      case 'open':
        this.#open(slot, row);
        return 'done';
      case 'reopen':
        // Appends of the life before may still be under way, as after somebody else's.
        this.#options.host.abandon(slot, 'epoch_raised');
        this.#serve(slot, { ...row, fence: true });
        return 'done';
      case 'prepare':
        this.#hold(slot).phase = { kind: 'preparing', epoch: row.epoch };
        return 'prepare';
      case 'release':
        this.#hold(slot).phase = { kind: 'releasing', epoch: row.epoch };
        return 'release';
      case 'concede':
        this.#concede(slot, row);
        return 'done';
      case 'drop':
        this.#drop(slot, 'moved');
        return this.#step(slot, row) === 'prepare' ? 'prepare' : 'done';
      default:
        return step satisfies never;
    }
  }

  #phase(slot: number): SlotPhase {
    return this.#slots.get(slot)?.phase ?? ABSENT;
  }

  #hold(slot: number): HeldSlot {
    let held = this.#slots.get(slot);
    if (held === undefined) {
      held = { phase: ABSENT, subscription: undefined };
      this.#slots.set(slot, held);
    }
    return held;
  }

  #subscribe(slot: number, held: HeldSlot): void {
    if (held.subscription !== undefined) return;
    const receive = (message: BrokerMessage): void => this.#receive(slot, held, message);
    held.subscription = this.#options.commands.subscribe(subjects.command(slot), receive, { queue: COMMAND_QUEUE });
  }

  #open(slot: number, row: SlotRow): void {
    this.#serve(slot, row);
    this.#subscribe(slot, this.#hold(slot));
  }

  #serve(slot: number, { epoch, fence }: Pick<SlotRow, 'epoch' | 'fence'>, hot?: HotChunks): void {
    this.#hold(slot).phase = { kind: 'serving', epoch };
    this.#fenced.delete(slot);
    this.#inbox.drop(slot);
    this.#options.host.open(slot, { epoch, fence }, hot);
    for (const { bytes, reply } of this.#buffer.take(slot)) this.#options.host.deliver(slot, bytes, reply);
  }

  async #prepare(coming: readonly { slot: number; row: SlotRow }[]): Promise<void> {
    const { commands, control, self } = this.#options;
    for (const { slot } of coming) this.#subscribe(slot, this.#hold(slot));
    await commands.flush(limits.controlRequestMs);
    for (const [from, claims] of byFormerOwner(coming)) control.tell(from, { kind: 'prepared', from: self, claims });
  }

  #concede(slot: number, { epoch, owner }: SlotRow): void {
    this.#drop(slot, 'moved');
    this.#hold(slot).phase = { kind: 'released', epoch };
    if (owner !== undefined) this.#sender.announce(owner, [slot, epoch]);
  }

  #drop(slot: number, reason: string): void {
    const held = this.#slots.get(slot);
    if (held === undefined) return;
    this.#slots.delete(slot);
    this.#fenced.delete(slot);
    this.#inbox.drop(slot);
    held.subscription?.unsubscribe();
    if (isOpen(held.phase)) this.#options.host.abandon(slot, reason);
    for (const { bytes, reply } of this.#buffer.take(slot)) this.#refuse(bytes, reply, reason);
  }

  #receive(slot: number, held: HeldSlot, message: BrokerMessage): void {
    if (message.noResponders) return;
    this.#options.checkPulse();
    const { phase } = held;
    if (isOpen(phase)) this.#options.host.deliver(slot, message.data, message.reply);
    else if (phase.kind !== 'preparing') this.#refuse(message.data, message.reply, 'moved');
    else if (!this.#buffer.hold(slot, message.data, message.reply)) {
      this.#refuse(message.data, message.reply, 'handoff_buffer_full');
    }
  }

  /** O3 */
  #refuse(bytes: Uint8Array, reply: string | undefined, reason: string): void {
    if (reply === undefined) return;
    try {
      const { requestId } = decodeEnvelope(bytes);
      this.#options.commands.publish(reply, encodeReplies([{ requestId, ok: false, failure: retryable(reason) }]));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#options.logger.warn('command_malformed', { reason: error.message });
    }
  }

  // --- The old owner's side ---------------------------------------------------------------------------------------

  /** Drains and closes; gives the hot chunks when the slot is out and may be announced as released (O2). */
  async #finish(slot: number, epoch: number, budget: HotBudget): Promise<HotChunks | undefined> {
    const held = this.#slots.get(slot);
    if (held === undefined || !this.#isReleasing(slot, held, epoch)) return undefined;
    await held.subscription?.drain();
    if (!this.#isReleasing(slot, held, epoch)) return undefined;
    const hot = (await this.#options.host.close(slot, budget)) ?? [];
    if (!this.#isReleasing(slot, held, epoch)) return undefined;
    held.phase = { kind: 'released', epoch };
    held.subscription = undefined;
    // The table may have gone on while this took its time.
    this.#followThese([[slot, this.#options.table().row(slot)]]);
    return this.#owesRelease(slot, epoch) ? hot : undefined;
  }

  #isReleasing(slot: number, held: HeldSlot, epoch: number): boolean {
    const { phase } = held;
    return this.#slots.get(slot) === held && phase.kind === 'releasing' && phase.epoch === epoch;
  }

  #owesRelease(slot: number, epoch: number): boolean {
    const phase = this.#phase(slot);
    return phase.kind === 'released' && phase.epoch === epoch;
  }

  /** The ring manager's word past the deadline. The slot counts as released, but nobody announces it (O2). */
  #letGo([slot, epoch]: SlotClaim): boolean {
    const phase = this.#phase(slot);
    const isComing = phase.kind === 'preparing' || phase.kind === 'serving';
    if (isComing && phase.epoch >= epoch) return false;
    this.#drop(slot, 'handoff_overdue');
    this.#hold(slot).phase = { kind: 'released', epoch };
    this.#sender.withdraw(slot);
    // The table may have gone on and given it back to us.
    this.#due.add(slot);
    return true;
  }

  // --- The new owner's side ---------------------------------------------------------------------------------------

  /** Only from whoever the table says gives it to us, and only before we serve it: later it would be old. */
  #takeHot(claims: readonly SlotClaim[], chunk: Uint8Array, from: Incarnation): undefined {
    for (const [slot, epoch] of claims) {
      const phase = this.#phase(slot);
      const isAwaited = phase.kind === 'preparing' && phase.epoch === epoch;
      if (isAwaited && this.#options.table().row(slot).from === from) this.#inbox.hold(slot, epoch, chunk);
    }
  }

  /** True when the slot is served here under that epoch, now or already: the old owner stops repeating itself. */
  #takeReleased([slot, epoch]: SlotClaim): boolean {
    const phase = this.#phase(slot);
    if (phase.kind === 'preparing' && phase.epoch === epoch) {
      const { fence } = this.#options.table().row(slot);
      this.#serve(slot, { epoch, fence }, this.#inbox.take(slot, epoch));
      this.#tellOpened([slot, epoch]);
    }
    return this.#serves(slot, epoch);
  }

  #serves(slot: number, epoch: number): boolean {
    const phase = this.#phase(slot);
    return phase.kind === 'serving' && phase.epoch === epoch;
  }

  /** One message for all that was opened in this turn. A lost one is made up for by the manager's `status`. */
  #tellOpened(claim: SlotClaim): void {
    this.#opened.push(claim);
    if (this.#telling) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      const { manager, control, self } = this.#options;
      const to = manager();
      const claims = this.#opened.splice(0);
      if (to !== undefined) control.tell(to, { kind: 'opened', from: self, claims });
    });
  }

  /** The log knows a higher epoch than the table gives us (a table restored from older data). */
  #askForHigherEpochs(): void {
    const { table, manager, control, self } = this.#options;
    for (const [slot, seen] of this.#fenced) {
      const row = table().row(slot);
      if (row.owner !== self || row.epoch > seen) this.#fenced.delete(slot);
    }
    const to = manager();
    const claims = [...this.#fenced];
    if (to !== undefined && claims.length > 0) control.tell(to, { kind: 'raise', from: self, claims });
  }
}

function isOpen(phase: SlotPhase): boolean {
  return phase.kind === 'serving' || phase.kind === 'releasing';
}

function byOwner(rows: readonly { slot: number; row: SlotRow }[]): ReadonlyMap<Incarnation, readonly SlotClaim[]> {
  return groupBy(rows, ({ owner }) => owner);
}

function byFormerOwner(
  rows: readonly { slot: number; row: SlotRow }[],
): ReadonlyMap<Incarnation, readonly SlotClaim[]> {
  return groupBy(rows, ({ from }) => from);
}

function groupBy(
  rows: readonly { slot: number; row: SlotRow }[],
  key: (row: SlotRow) => Incarnation | undefined,
): ReadonlyMap<Incarnation, readonly SlotClaim[]> {
  const groups = new Map<Incarnation, SlotClaim[]>();
  for (const { slot, row } of rows) {
    const name = key(row);
    if (name === undefined) continue;
    const claims = groups.get(name);
    if (claims === undefined) groups.set(name, [[slot, row.epoch]]);
    else claims.push([slot, row.epoch]);
  }
  return groups;
}
