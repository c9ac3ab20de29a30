/**
 * When one actor writes its snapshots: every `snapshotEveryEvents` or `snapshotEveryBytes` of log, one at a time, with a
 * pause in between, never while too many notes are undelivered (they would have to be part of it).
 */
import { limits } from '../platform/limits.ts';
import type { StreamState } from './channel-state.ts';
import type { MembershipOutbox } from './membership-outbox.ts';
import type { SnapshotHandle } from './snapshot.ts';
import type { StreamHome } from './worker-context.ts';

export class SnapshotWriter {
  readonly #home: StreamHome;
  #handle: SnapshotHandle | undefined;
  #seq = 0;
  #bytes = 0;
  #writing = false;
  #notBeforeMs = 0;

  constructor(home: StreamHome) {
    this.#home = home;
  }

  /** Writing now: the state's blocks must not be dropped in between. */
  get busy(): boolean {
    return this.#writing;
  }

  /** The stream's snapshot as it was loaded; it holds the events up to `seq`. */
  begin(handle: SnapshotHandle, seq: number): void {
    this.#handle = handle;
    this.#seq = seq;
    this.#bytes = 0;
  }

  /** Where the stored snapshot stands and what it holds. Says little while `busy`. */
  stored(): { readonly handle: SnapshotHandle; readonly seq: number } | undefined {
    return this.#handle === undefined ? undefined : { handle: this.#handle, seq: this.#seq };
  }

  /** A record of `bytes` was committed and folded in. */
  committed(state: StreamState, notes: MembershipOutbox, bytes: number): void {
    this.#bytes += bytes;
    const due = state.seq - this.#seq >= limits.snapshotEveryEvents || this.#bytes >= limits.snapshotEveryBytes;
    if (!due || this.#writing || notes.size > limits.snapshotNotesMax || this.#handle === undefined) return;
    if (this.#home.context.clock.monotonicMs() < this.#notBeforeMs) return;
    void this.#write(state, notes, this.#handle);
  }

  async #write(state: StreamState, notes: MembershipOutbox, handle: SnapshotHandle): Promise<void> {
    const { context, slot, epoch, entry } = this.#home;
    this.#writing = true;
    const { seq } = state;
    const written = await context.snapshots.save(slot, entry.stream, epoch, state, notes.pending(), handle);
    this.#writing = false;
    this.#notBeforeMs = context.clock.monotonicMs() + limits.snapshotPauseMs;
    // The state may have been built anew meanwhile, from a snapshot of its own.
    if (!written || this.#handle !== handle) return;
    this.#seq = seq;
    this.#bytes = 0;
  }
}
