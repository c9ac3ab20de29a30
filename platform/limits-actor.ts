/** Limits of channel and presence actors, and the commands that reach them. Part of limits.ts, which states the rules. */

const kib = 1_024;
const mib = 1_024 * kib;

export const actorLimits = {
  // --- Channel actors ------------------------------------------------------------------------------------------
  /** Messages waiting for one actor. Beyond: the command is refused as retryable, `busy`. */
  mailboxMessagesMax: 1_000,
  /** Bytes waiting for one actor. Beyond: as for messages. */
  mailboxBytesMax: 8 * mib,
  /** Commands waiting in one worker. Beyond: as for one actor. */
  workerCommandsMax: 100_000,
  /** Mutations a channel remembers to answer a retry (G3). Beyond: the oldest one is forgotten. */
  dedupeEntriesPerChannelMax: 1_000,
  /** Events of one channel kept in memory. Beyond: the oldest are read from the log. */
  hotTailEventsPerChannelMax: 1_000,
  /** Hot tails of one worker together. Beyond: the least recently used channel's tail is dropped. */
  hotTailBytesPerWorkerMax: 256 * mib,
  /** Idle time of an actor. Beyond: it is passivated; the next command brings it back from the log. */
  actorIdleMs: 600_000,
  /** Restarts of one actor within `actorRestartWindowMs`. Beyond: its commands are refused as retryable for a window. */
  actorRestartsMax: 5,
  actorRestartWindowMs: 10_000,
  /** Wait before an unresolved append is published again, identical, with the same expectation. */
  appendResendMs: 500,
  /** Least time between two turns of a channel under load, and the turns in a row that show it to be under load. */
  commitWindowMs: 4,
  commitWindowTurnsCount: 4,
  /** The same after a turn that took so many messages. */
  commitWindowWideMs: 12,
  commitWindowWideCount: 3,
  /** Appends of one worker in flight, one a channel. Beyond: channels wait for a free place. */
  appendsInFlightMax: 16_384,
  /** Ids in one block of a channel's members (64 KiB at 31 characters each), channels in one of a user's memberships. Beyond: it splits. */
  membersPerBlockMax: 1_900,
  membershipsPerBlockMax: 128,
  /** Ids in a snapshot's head itself. Beyond: blocks are stored beside it. */
  snapshotInlineKeysMax: 256,
  /** Between two snapshots of one stream, and for one write of it. Beyond: given up, the next one tries again. */
  snapshotPauseMs: 250,
  snapshotWriteTimeoutMs: 5_000,
  /** Undelivered notes in a snapshot. Beyond: none is written, activation finds them in the log. */
  snapshotNotesMax: 1_000,
  /** Actors of one worker together, about. Beyond: the least recently used ones are passivated. */
  actorBytesPerWorkerMax: 1_024 * mib,
  passivationSweepMs: 5_000,
  /** Times that one turn is decided again because others' records came first. Beyond: refused as retryable. */
  foreignRetriesMax: 16,
  /** Users of one channel whose typing is remembered. Beyond: theirs is not told. */
  typingUsersMax: 1_000,
  /** Activations, and reads beside the turns, of one worker. Beyond: they wait; past the last limit, `retryable`. */
  activationsInFlightMax: 64,
  actorReadsInFlightMax: 64,
  actorReadsWaitingMax: 10_000,
  /** Bytes of events in one answer to a read. Beyond: it ends early and says that there is more. */
  readAnswerBytesMax: 384 * kib,
  /** Places in logs that a worker remembers for reading gaps. Beyond: the least recently used is looked up again. */
  logPositionsKeptMax: 2_000,
  logPositionFreshMs: 2_000,
  /** One event as the frame that clients get. Beyond: the post is rejected, `msg_too_long`. */
  eventFrameBytesMax: 448 * kib,
  /** Notes of a channel to its members' streams: on their way, kept (beyond: joins and leaves are `retryable`), wait. */
  membershipNotesInFlightMax: 64,
  membershipNotesWaitingMax: 5_000,
  membershipNoteRetryMs: 1_000,
  /** Longest that the answer to a join or an invitation waits for its members' streams. Beyond: answered; they hear later. */
  membershipAnswerWaitMs: 3_000,
  /** A cursor further behind than this gets `resync`. */
  catchUpEventsMax: 10_000,
  /** Cursor checks waiting in one worker. Beyond: `cursors` is refused as retryable. */
  cursorChecksWaitingMax: 1_000_000,
  /** Wait before a cursor is checked again that the log, or an actor coming to life, said nothing about. */
  cursorCheckRetryMs: 250,
  /** Users whose presence one worker keeps. Beyond: new ones are `unknown`. */
  presenceUsersPerWorkerMax: 1_000_000,
  /** Life of a typing event. Later ones of the same user and channel within it are dropped (at-most-once, G9). */
  typingMs: 3_000,

  // --- Commands ------------------------------------------------------------------------------------------------
  /** Silence before a command is sent again with the same id. */
  commandResendMs: 200,
  /** First and longest wait after a 503 (nobody owns the slot). */
  commandBackoffFirstMs: 10,
  commandBackoffLastMs: 80,
  /** Time for a command, retries included. Beyond: HTTP 503 where a retry is safe, else `service_unavailable`. */
  commandBudgetMs: 5_000,
  /** Commands of one process that wait for a reply. Beyond: refused at once as retryable. */
  commandsInFlightMax: 20_000,

  // --- Presence ------------------------------------------------------------------------------------------------
  /** From the end of a user's last session to `away`: a reconnect within it shows nothing. */
  presenceGraceMs: 10_000,
  /** From a user's last activity to `away`. */
  presenceIdleMs: 30 * 60_000,
  /** A gateway states the sessions of all its users again. */
  presenceAnnounceMs: 30_000,
  /** Changes of presence are gathered this long for one message to a gateway; the newest state wins. */
  presenceBatchMs: 100,

  // --- Hand-off ------------------------------------------------------------------------------------------------
  /** One chunk of hot state. A channel that takes more is activated from the log. */
  hotChunkBytesMax: 256 * kib,
  /** Latest events of one channel that travel with its hot state. Beyond: older ones are read from the log. */
  hotEventsBytesMax: 16 * kib,
  /** Hot states that wait for their channels' first command. Beyond: the oldest slot's are forgotten. */
  hotStatesBytesMax: 64 * mib,
} as const;
