/** Switches that break one protection each, to show that the checkers see what it is for. All false: Belfry as it is. */

/** What each of them does. */
export const mutationKinds = {
  casOff: 'the log takes every append, whatever it expects',
  evictionWaitOff: "the ring manager believes at once that a dead owner's connections are closed",
  epochRecordOff: 'owners that ought to fence a stream before they answer do not',
  dedupeAfterConflictOff: 'what others appended is not looked at when a turn is decided again',
  batchNumbersOff: 'gateways cannot tell that a batch is missing',
  regionNumbersOff: 'the same of region batches only; with batchNumbersOff they cannot either',
  limitsOff: 'in an overload nothing is bounded as tightly as the checkers demand',
} as const;

export type MutationKind = keyof typeof mutationKinds;
export type Mutations = { readonly [kind in MutationKind]?: boolean };
