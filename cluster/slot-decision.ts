/**
 * What a worker does about one slot when the table says something about it. Pure; slot-owner.ts carries it out.
 *
 * absent -> preparing -> serving -> releasing -> released -> absent; without a hand-off absent -> serving -> absent.
 *
 * Invariants:
 * S1  The answer depends on the newest row only: tables in between may never have been seen.
 * S2  A slot that is on its way out (`releasing`) is not taken back before it is out: its end decides anew.
 */
import type { SlotRow } from '../protocol/cluster.ts';
import type { Incarnation } from '../protocol/ids.ts';

/** `epoch` is that of the row which brought the slot there; in `releasing` and `released`, of the new owner's row. */
export type SlotPhase =
  | { readonly kind: 'absent' }
  /** Subscribed and buffering; the old owner has not released it. */
  | { readonly kind: 'preparing'; readonly epoch: number }
  | { readonly kind: 'serving'; readonly epoch: number }
  /** Still answering what came, for the new owner to take over. */
  | { readonly kind: 'releasing'; readonly epoch: number }
  | { readonly kind: 'released'; readonly epoch: number };

export type SlotStep =
  | 'none'
  /** Serve it now, buffered commands first. */
  | 'open'
  /** The same slot under a higher epoch. */
  | 'reopen'
  | 'prepare'
  /** Finish what came, then tell the new owner. */
  | 'release'
  /** Nothing to finish: tell the new owner. */
  | 'concede'
  /** Not ours any more: forget it at once. */
  | 'drop';

export function decideSlot(phase: SlotPhase, row: SlotRow, self: Incarnation): SlotStep {
  if (row.owner === self) return row.state === 'stable' ? decideOwned(phase, row) : decideComing(phase, row);
  if (row.state === 'handoff' && row.from === self) return decideGoing(phase, row);
  return phase.kind === 'absent' ? 'none' : 'drop';
}

function decideOwned(phase: SlotPhase, row: SlotRow): SlotStep {
  switch (phase.kind) {
    case 'absent':
    case 'preparing':
    case 'released':
      return 'open';
    case 'serving':
      return phase.epoch === row.epoch ? 'none' : 'reopen';
    case 'releasing':
      return 'none';
    default:
      return phase satisfies never;
  }
}

function decideComing(phase: SlotPhase, row: SlotRow): SlotStep {
  switch (phase.kind) {
    case 'absent':
    case 'released':
      return 'prepare';
    case 'preparing':
      return phase.epoch === row.epoch ? 'none' : 'prepare';
    case 'serving':
      // Served under this epoch: released to us. Under another: somebody else owned it in between.
      return phase.epoch === row.epoch ? 'none' : 'drop';
    case 'releasing':
      return 'none';
    default:
      return phase satisfies never;
  }
}

function decideGoing(phase: SlotPhase, row: SlotRow): SlotStep {
  switch (phase.kind) {
    case 'absent':
    case 'preparing':
      return 'concede';
    case 'serving':
      return 'release';
    case 'releasing':
      return 'none';
    case 'released':
      return phase.epoch === row.epoch ? 'none' : 'concede';
    default:
      return phase satisfies never;
  }
}
