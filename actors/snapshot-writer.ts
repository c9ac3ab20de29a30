/**
 * When one actor writes its snapshots: a head every `snapshotEveryEvents` or `snapshotEveryBytes` of log, and an increment
 * every `snapshotIncrementEveryCount` between two heads; one at a time, with a pause in between, never while too many notes
 * are undelivered (they would have to be part of it). Every record behind them costs a read when the stream's slot is
 * taken over, and whoever posts then waits for all of them.
 *
 * W1  An increment is written only where nothing but messages came after the head (snapshot-format.ts, F4). What else
 *     comes makes a head due after as many records.
 */
import type { LogPosition } from '../broker/log-position.ts';
import { limits } from '../platform/limits.ts';
import type { StreamState } from './channel-state.ts';
import type { MembershipOutbox } from './membership-outbox.ts';
import type { SnapshotHandle } from './snapshot.ts';
import type { StreamHome } from './worker-context.ts';

export interface CommittedRecord {
  readonly bytes: number;
  readonly position: LogPosition;
  readonly onlyMessages: boolean;
}

export class SnapshotWriter {
  readonly #home: StreamHome;
  #handle: SnapshotHandle | undefined;
  #seq = 0;
  #bytes = 0;
  /** Records since the head or its newest increment. */
  #records = 0;
  /** W1: as far as is known. */
  #onlyMessages = false;
  #writing = false;
  #notBeforeMs = 0;

  constructor(home: StreamHome) {
    this.#home = home;
  }

  /** Writing now: the state's blocks must not be dropped in between. */
  get busy(): boolean {
    return this.#writing;
  }

  /** The stream's snapshot as it was loaded; its head holds the events up to `seq`. */
  begin(handle: SnapshotHandle, seq: number, onlyMessages: boolean): void {
    this.#handle = handle;
    this.#seq = seq;
    this.#bytes = 0;
    this.#records = 0;
    this.#onlyMessages = onlyMessages;
  }

  /** Where the stored snapshot stands and what it holds. Says little while `busy`. */
  stored(): { readonly handle: SnapshotHandle; readonly seq: number } | undefined {
    return this.#handle === undefined ? undefined : { handle: this.#handle, seq: this.#seq };
  }

  /** A record of `bytes` was committed and folded in: the state's seq is the position's last. */
  committed(state: StreamState, notes: MembershipOutbox, { bytes, position, onlyMessages }: CommittedRecord): void {
    this.#bytes += bytes;
    this.#records += 1;
    this.#onlyMessages &&= onlyMessages;
    const handle = this.#handle;
    if (this.#writing || handle === undefined || notes.size > limits.snapshotNotesMax) return;
    if (this.#home.context.clock.monotonicMs() < this.#notBeforeMs) return;
    const isDue = this.#records >= limits.snapshotIncrementEveryCount;
    const isFull = state.seq - this.#seq >= limits.snapshotEveryEvents || this.#bytes >= limits.snapshotEveryBytes;
    if (isFull || (isDue && !(this.#onlyMessages && this.#seq > 0))) void this.#write(state, notes, handle, position);
    else if (isDue) void this.#writeIncrement(state, handle, position);
  }

  async #write(
    state: StreamState,
    notes: MembershipOutbox,
    handle: SnapshotHandle,
    position: LogPosition,
  ): Promise<void> {
    const { context, slot, epoch, entry } = this.#home;
    const { seq } = state;
    this.#writing = true;
    this.#records = 0;
    this.#onlyMessages = true;
    const written = await context.snapshots.save(slot, entry.stream, epoch, state, notes.pending(), handle, position);
    this.#written();
    // The state may have been built anew meanwhile, from a snapshot of its own.
    if (this.#handle !== handle) return;
    if (!written) this.#onlyMessages = false;
    else [this.#seq, this.#bytes] = [seq, 0];
  }

  async #writeIncrement(state: StreamState, handle: SnapshotHandle, position: LogPosition): Promise<void> {
    const { context, slot, epoch } = this.#home;
    this.#writing = true;
    this.#records = 0;
    await context.snapshots.saveIncrement(slot, state, this.#seq, { epoch, position }, handle);
    this.#written();
  }

  #written(): void {
    this.#writing = false;
    this.#notBeforeMs = this.#home.context.clock.monotonicMs() + limits.snapshotPauseMs;
  }
}
