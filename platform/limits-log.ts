/** Limits of records, batches and what travels on the broker. Part of limits.ts, which states the rules. */

const kib = 1_024;
const mib = 1_024 * kib;

export const logLimits = {
  // --- Records, batches and pages on NATS ----------------------------------------------------------------------
  /** NATS max_payload, headers counted. Beyond: the NATS client throws; nothing of ours comes near it. */
  natsPayloadBytesMax: 1 * mib,
  /** One record of a channel's log. Beyond: group commit cuts and goes on in the next record. */
  recordBytesMax: 256 * kib,
  /** Events in one record. Beyond: as for bytes. */
  recordEventsMax: 1_000,
  /** One fan-out batch to one gateway. Beyond: the batch leaves at once and a new one is begun. */
  batchBytesMax: 512 * kib,
  /** Longest wait of an event for others of its batch, under load. Beyond: the batch leaves. */
  batchWindowMs: 2,
  /** Replies of one turn to one process in one message. Beyond: it leaves at once and a new one is begun. */
  replyBundleBytesMax: 256 * kib,
  /** One snapshot shard of a channel's members. Beyond: the shard splits. */
  snapshotShardBytesMax: 64 * kib,
  /** Events between two snapshots of a channel. */
  snapshotEveryEvents: 256,
  /** Records between two increments of a snapshot, each of which holds what the messages since it changed. */
  snapshotIncrementEveryCount: 64,
  /** Bytes of log between two snapshots of a channel. */
  snapshotEveryBytes: 64 * kib,
  /** Parallel gets of one read of the log. Beyond: the rest wait their turn. */
  logReadsInFlightMax: 64,

  // --- Broker --------------------------------------------------------------------------------------------------
  /** Requests of one connection that wait for a reply. Beyond: refused at once as unavailable (or unknown). */
  natsRepliesPendingMax: 65_536,
  /** Least time between two writes to a connection under load, and how many may come closer after a rest. */
  sendSpacingMs: 3,
  sendBurstMax: 32,
  /** A message up to this size that leaves alone has waited in vain; a larger one holds what a turn has for many. */
  sendAloneBytesMax: 1 * kib,
  /** Bytes that wait for their write. Beyond: they leave at once, and what comes later after them. */
  sendBytesMax: 32 * kib,
  /** What is published is gathered in slabs of so much; a new one is taken when one is full. */
  sendSlabBytes: 64 * kib,
  /** Time-outs this close to each other share a timer: they are kept by firing up to this much early. */
  natsReplySweepMs: 20,
  /** Spread over which clients of a restarted broker come back, added to natsReconnectWaitMs. */
  natsReconnectJitterMs: 50,
  /** Room kept in a NATS payload for the headers of an append. */
  natsHeaderBytesMax: 256,
  /** Wait for the reply to one read of the log. Beyond: unavailable; readers try again until their signal aborts. */
  logReadTimeoutMs: 1_000,
  /** First and longest wait between two attempts to append or read while the log does not answer. */
  logBackoffFirstMs: 20,
  logBackoffLastMs: 250,
  /** Records between the expected and the last one that a conflict may have to read. Beyond: the log is broken. */
  logConflictRecordsMax: 4_096,
  /** Events and bytes of one read of the log. Beyond: the page ends early and says where to go on. */
  logPageEventsMax: 1_000,
  logPageBytesMax: 512 * kib,
  /** Wait for a key-value operation. Beyond: unavailable, or unknown for a write. */
  kvTimeoutMs: 2_000,
  /** How often an idle watch's server says that it is there, and the silence after which the watch is set up anew. */
  kvWatchBeatMs: 1_000,
  kvWatchSilenceMs: 4_000,
  /** A watch that nobody listens to any more is forgotten by its server after this. */
  kvWatchForgottenMs: 60_000,
  /** Wait before a watch that ended is set up again. */
  kvWatchRetryMs: 250,
  /** Time for `belfry init` to make the streams: a cluster that has just started has no leader yet. Beyond: one line. */
  provisionMs: 15_000,
  provisionRetryMs: 250,
  /** Wait for what was published to leave when a broker closes. Beyond: it is lost, as at a crash. */
  brokerCloseFlushMs: 1_000,
} as const;
