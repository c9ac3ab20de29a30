/**
 * The slot tables that the nodes of a simulated cluster act on, looked at between any two timers.
 *
 * T1  At every node the view only rises, and with it no slot's epoch goes back.
 * T2  Under one view all nodes have the same table.
 */
import type { SlotTable } from '../../cluster/slot-table.ts';
import type { SimHistory } from './sim-history.ts';

interface Watched {
  readonly node: string;
  readonly table: () => SlotTable;
  last: SlotTable;
}

export class TableWatch {
  readonly #history: SimHistory;
  readonly #watched: Watched[] = [];
  readonly #byView = new Map<number, string>();

  constructor(history: SimHistory) {
    this.#history = history;
  }

  watch(node: string, table: () => SlotTable): void {
    this.#watched.push({ node, table, last: table() });
  }

  viewOf(node: string): number | undefined {
    return this.#watched.findLast((watched) => watched.node === node)?.table().view;
  }

  look(): void {
    for (const watched of this.#watched) {
      const table = watched.table();
      if (table === watched.last) continue;
      this.#compare(watched.node, watched.last, table);
      watched.last = table;
    }
  }

  #compare(node: string, before: SlotTable, after: SlotTable): void {
    if (after.view <= before.view) {
      this.#history.violate('views only rise', `${node} went from ${before.view} to ${after.view}`);
    }
    for (const [slot, { epoch }] of before.rows.entries()) {
      const now = after.row(slot).epoch;
      if (now >= epoch) continue;
      this.#history.violate("a slot's epoch only rises", `${node} has ${now} after ${epoch}`, `slot ${slot}`);
    }
    const text = JSON.stringify(after.rows);
    const first = this.#byView.get(after.view) ?? text;
    this.#byView.set(after.view, first);
    if (first !== text) this.#history.violate('one table a view', `${node} has another for ${after.view}`);
  }
}
