/** Switches that break one protection each, to show that the checkers see what it is for. All false: Belfry as it is. */
export interface Mutations {
  /** The log takes every append, whatever it expects. */
  readonly casOff?: boolean;
  /** The ring manager believes at once that a dead owner's connections are closed. */
  readonly evictionWaitOff?: boolean;
  /** Owners that ought to fence a stream before they answer do not. */
  readonly epochRecordOff?: boolean;
  /** What others appended is not looked at when a turn is decided again. */
  readonly dedupeAfterConflictOff?: boolean;
  /** Gateways cannot tell that a batch is missing. */
  readonly batchNumbersOff?: boolean;
  /** The same of region batches only; with `batchNumbersOff` they cannot either. */
  readonly regionNumbersOff?: boolean;
}
