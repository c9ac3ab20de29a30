/**
 * Follows the slot table. Watches are hints (they go deaf after a broker node died), so the table is also read when a
 * heartbeat names a higher view, after a reconnect, and after 500 ms in which nothing told what the view is.
 *
 * Invariants:
 * F1  Views only go up: an older table, from a late watch or a stale read, changes nothing.
 * F2  Listeners are level-triggered: each call gives the newest table; tables in between may be skipped.
 * F3  At most one read is in flight; a reason that comes meanwhile causes one more after it.
 */
import type { KeyValue, KvEntry } from '../broker/broker.ts';
import type { Clock, Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { SlotRow } from '../protocol/cluster.ts';
import { DecodeError } from '../protocol/errors.ts';
import { decodeTable, encodeTable, storeTable, type StoredTable } from '../protocol/table-codec.ts';
import { SlotTable } from './slot-table.ts';

export const TABLE_KEY = 'table';

export type TableListener = (table: SlotTable, previous: SlotTable) => void;
/** `read`: what stands in the bucket is now known here, absence included. */
export type TableRead = 'read' | 'unavailable';

export interface TableFollowerOptions {
  readonly bucket: KeyValue;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class TableFollower {
  readonly #bucket: KeyValue;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners: TableListener[] = [];
  #table = SlotTable.empty;
  /** The same as it was read: the next one is compared with it. */
  #stored: StoredTable | undefined;
  #watch: { stop(): void } | undefined;
  #timer: Timer | undefined;
  #heardMs = 0;
  #reading: Promise<TableRead> | undefined;
  #readNext: Promise<TableRead> | undefined;

  constructor(options: TableFollowerOptions) {
    this.#bucket = options.bucket;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  get table(): SlotTable {
    return this.#table;
  }

  start(): void {
    this.#watch = this.#bucket.watch(TABLE_KEY, (change) => {
      if (change.kind === 'put') this.accept(change.entry);
    });
    this.#timer = this.#clock.setInterval(() => this.#readAfterSilence(), limits.tableRefreshMs / 2);
    void this.read();
  }

  stop(): void {
    this.#watch?.stop();
    this.#timer?.cancel();
  }

  onTable(listener: TableListener): void {
    this.#listeners.push(listener);
  }

  /** A member acts on `view`: its heartbeat said so. */
  noteView(view: number): void {
    if (view > this.#table.view) void this.read();
    else if (view > 0) this.#heardMs = this.#clock.monotonicMs();
  }

  /** Reads the table through its leader. A call made during a read gets a later one's result (F3). */
  read(): Promise<TableRead> {
    if (this.#reading === undefined) {
      this.#reading = this.#readOnce().finally(() => (this.#reading = undefined));
      return this.#reading;
    }
    this.#readNext ??= this.#reading.then(() => {
      this.#readNext = undefined;
      return this.read();
    });
    return this.#readNext;
  }

  /** A table that someone got hold of: the watch, a read, or the ring manager of this process, which wrote it. */
  accept(entry: Pick<KvEntry, 'value' | 'revision'>): void {
    this.#heardMs = this.#clock.monotonicMs();
    if (entry.revision <= this.#table.view) return;
    const stored = this.#decode(entry);
    if (stored !== undefined) this.#adopt(entry.revision, stored);
  }

  /** A table with `rows`, as it is to be stored after the one that is known here. */
  encode(rows: readonly SlotRow[]): Uint8Array {
    return encodeTable(storeTable(rows, this.#stored));
  }

  #adopt(view: number, stored: StoredTable): void {
    const previous = this.#table;
    const { changed } = stored;
    this.#stored = stored;
    this.#table = changed === undefined ? new SlotTable(view, stored) : previous.next(view, stored, changed);
    this.#logger.debug('table_changed', { view, ...this.#table.totals() });
    for (const listener of this.#listeners) listener(this.#table, previous);
  }

  #decode(entry: Pick<KvEntry, 'value' | 'revision'>): StoredTable | undefined {
    try {
      return decodeTable(entry.value, this.#stored);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#logger.error('table_unreadable', { view: entry.revision, error });
      return undefined;
    }
  }

  async #readOnce(): Promise<TableRead> {
    const read = await this.#bucket.get(TABLE_KEY);
    if (read.kind === 'unavailable') return 'unavailable';
    this.#heardMs = this.#clock.monotonicMs();
    if (read.kind === 'found') this.accept(read.entry);
    return 'read';
  }

  #readAfterSilence(): void {
    if (this.#reading !== undefined) return;
    if (this.#clock.monotonicMs() - this.#heardMs >= limits.tableRefreshMs) void this.read();
  }
}
