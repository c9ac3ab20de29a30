/**
 * Every limit of the system, with its unit last in its name and what happens beyond it.
 *
 * L1  Every queue, buffer, map that grows with use, frame, retry and time-out has its entry here.
 * L2  Overflow is explicit: an error that says whether to retry, a documented close code, or an eviction that can
 *     be rebuilt from the log. Never unbounded memory, never a silent drop (G8).
 * L3  Relations between limits that the design rests on are asserted by test/unit/platform/limits.test.ts.
 */

const kib = 1_024;
const mib = 1_024 * kib;

export const limits = {
  // --- What a client may send ---------------------------------------------------------------------------------
  /** Characters of a message's text. Beyond: `msg_too_long`; text is never cut. */
  textCharsMax: 40_000,
  /** Body of an HTTP request. Beyond: `invalid_arguments` with HTTP 200, the connection is closed. */
  httpBodyBytesMax: 1 * mib,
  /** Header block of an HTTP request. Beyond: HTTP 431 by uWebSockets.js. */
  httpHeaderBytesMax: 16 * kib,
  /** Arguments of one API call. Beyond: `invalid_arguments`. */
  httpArgumentsMax: 100,
  /** Time to receive a whole request body. Beyond: the connection is closed. */
  httpBodyTimeoutMs: 30_000,
  /** Bytes of an oversized body that are read and thrown away before the answer. Beyond: answered at once and closed. */
  httpBodyDiscardBytesMax: 64 * mib,
  /** From the last answer of a listener that stops to the end of its connections. Beyond: they are cut. */
  httpLingerMs: 20,
  /** Requests in progress in one webapp. Beyond: HTTP 503, `service_unavailable`, Retry-After 1. */
  httpRequestsInProgressMax: 10_000,
  /** A frame on an RTM socket. Beyond: the socket is closed with 4201. */
  rtmFrameBytesMax: 16 * kib,
  /** A resume frame. Beyond: the socket is closed (1009); send several frames instead. */
  resumeFrameBytesMax: 256 * kib,
  /** Cursors over all resume frames of one session. Beyond: closed with 4100. */
  resumeCursorsMax: 20_000,
  /** Wait for the resume frame after hello. Beyond: closed with 4100. */
  resumeWaitMs: 10_000,
  /** Frames a session may have waiting for their answers. Beyond: an error frame `ratelimited`. */
  sessionFramesInProgressMax: 64,
  /** Users of one presence_query or presence_sub. Beyond: an error frame `too_many_users`. */
  presenceQueryIdsMax: 500,
  /** Users whose presence one session follows. Beyond: the oldest subscriptions are replaced. */
  presenceSubscriptionsPerSessionMax: 5_000,
  /** Users of one conversations.invite. Beyond: `too_many_users`. */
  inviteUsersMax: 1_000,
  /** Users of one multi-person direct message, its opener included. Beyond: `too_many_users`. */
  mpimUsersMax: 9,
  /** Messages on one page of history. Beyond: `invalid_limit`. */
  historyPageMessagesMax: 999,
  /** Messages on one page of history when the caller names no limit. */
  historyPageMessagesDefault: 100,
  /** Entries on one page of any other list. Beyond: `invalid_limit`. */
  listPageEntriesMax: 1_000,
  /** Characters of a channel's name. Beyond: `invalid_name_maxlength`. */
  channelNameCharsMax: 80,
  /** Characters of a user's, an app's or a team's name. Beyond: `invalid_arguments`. */
  nameCharsMax: 80,
  /** Characters of a client_msg_id. Beyond: `invalid_arguments`. */
  clientMessageIdCharsMax: 128,
  /** Members of one channel. Beyond: `channel_too_large`, not retryable. */
  channelMembersMax: 250_000,
  /** Channels one user may be a member of. Beyond: `too_many_channels`, not retryable. */
  channelsPerUserMax: 10_000,

  // --- Tokens and tickets ---------------------------------------------------------------------------------------
  /** Life of an RTM ticket. Beyond: the upgrade is refused with 401; fetch a new URL. */
  ticketLifeMs: 30_000,
  /** Used tickets a gateway remembers. Beyond: new tickets are refused (retryable) until old ones expire. */
  ticketsUsedMax: 200_000,
  /** Tokens a process remembers. Beyond: the least recently used one is read again from the KV. */
  tokenCacheEntriesMax: 50_000,
  /** Age of a remembered token. Beyond: read again; bounds the harm of a lost revocation message. */
  tokenCacheAgeMs: 30_000,

  // --- Records, batches and pages on NATS -----------------------------------------------------------------------
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
  /** One snapshot shard of a channel's members. Beyond: the shard splits. */
  snapshotShardBytesMax: 64 * kib,
  /** Events between two snapshots of a channel. */
  snapshotEveryEvents: 256,
  /** Bytes of log between two snapshots of a channel. */
  snapshotEveryBytes: 64 * kib,
  /** Parallel gets of one read of the log. Beyond: the rest wait their turn. */
  logReadsInFlightMax: 64,

  // --- Channel actors -------------------------------------------------------------------------------------------
  /** Slots of the table. Fixed when the cluster is created. */
  slotCount: 4_096,
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
  /** One event as the frame that clients get. Beyond: the post is rejected, `msg_too_long`. */
  eventFrameBytesMax: 448 * kib,
  /** Notes of a channel to its members' streams: on their way, kept (beyond: joins and leaves are `retryable`), wait. */
  membershipNotesInFlightMax: 64,
  membershipNotesWaitingMax: 5_000,
  membershipNoteRetryMs: 1_000,
  /** A cursor further behind than this gets `resync`. */
  catchUpEventsMax: 10_000,
  /** Cursor checks waiting in one worker. Beyond: `cursors` is refused as retryable. */
  cursorChecksWaitingMax: 1_000_000,
  /** Users whose presence one worker keeps. Beyond: new ones are `unknown`. */
  presenceUsersPerWorkerMax: 1_000_000,
  /** Life of a typing event. Later ones of the same user and channel within it are dropped (at-most-once, G9). */
  typingMs: 3_000,

  // --- Commands -------------------------------------------------------------------------------------------------
  /** Silence before a command is sent again with the same id. */
  commandResendMs: 200,
  /** First and longest wait after a 503 (nobody owns the slot). */
  commandBackoffFirstMs: 10,
  commandBackoffLastMs: 80,
  /** Time for a command, retries included. Beyond: HTTP 503 where a retry is safe, else `service_unavailable`. */
  commandBudgetMs: 5_000,
  /** Commands of one process that wait for a reply. Beyond: refused at once as retryable. */
  commandsInFlightMax: 20_000,

  // --- Gateway --------------------------------------------------------------------------------------------------
  /** Bytes waiting for one socket. Beyond: uWebSockets.js closes it with 1006; the client reconnects and resumes. */
  socketBackpressureBytesMax: 1 * mib,
  /** Sessions of one gateway. Beyond: the upgrade is refused with 503; rtm.connect names another gateway. */
  sessionsPerGatewayMax: 250_000,
  /** Silence of a socket. Beyond: closed; uWebSockets.js sends protocol pings before that. */
  socketIdleTimeoutMs: 120_000,
  /** Events of one stream held until a gap before them is filled. Beyond: `resync` to its subscribers. */
  gapHoldEventsMax: 1_000,
  /** Bytes of all held events of one gateway. Beyond: as for events, the largest stream first. */
  gapHoldBytesMax: 64 * mib,
  /** Time a gap may stay open. Beyond: `resync`. */
  gapHoldMs: 10_000,
  /** Events one resume may replay on one stream. Beyond: they follow in several reads; no limit on the whole. */
  resumeReadEventsMax: 500,
  /** Beat of the batch number of a (worker, gateway) pair when no batch is sent. */
  batchBeatMs: 250,
  /** Cursors a gateway verifies per second. Beyond: they wait behind live traffic. */
  cursorChecksPerSecondMax: 1_000,
  /** From a resuming client's cursor to the tail. Beyond: `resync` instead of a replay of days. */
  resumeGapEventsMax: 1_000_000,
  /** Live events of one stream kept behind a session's replay of it. Beyond: they are read from the log as well. */
  resumeQueueEventsMax: 1_000,
  resumeQueueBytesMax: 256 * kib,
  /** Reads of one replay that fail one after another, 5 s each. Beyond: closed with 4002. */
  resumeReadFailuresMax: 3,
  /** Reads for replays in flight, of one session and of the gateway. Beyond: they wait their turn. */
  resumeReadsPerSessionMax: 8,
  resumeReadsPerGatewayMax: 256,
  /** Bytes waiting for a socket above which its replay pauses. */
  resumePauseBytes: 256 * kib,
  /** From the upgrade to hello. Beyond: closed with 4102. */
  sessionSetupMs: 10_000,
  /** Frames per second of one session, after a burst. Beyond: error frames; this far beyond: closed with 4202. */
  sessionFramesPerSecondMax: 50,
  sessionFramesBurstMax: 500,
  sessionFramesFloodMax: 1_000,
  /** Leaves that a gateway remembers of one connected user. Beyond: the oldest are forgotten. */
  leavesRememberedMax: 1_000,
  /** Wait of an ack for its sender's admission to the channel. Beyond: sent at once. */
  earlyAckMs: 5_000,
  /** A gap is asked for again after this. */
  gapAskAgainMs: 1_000,
  /** A user's subscriptions outlive its last session by this, so that a reconnect finds them. */
  interestLingerMs: 10_000,
  /** Silence of the broker after which no new session gets its hello, and all are sent elsewhere (4003). */
  isolationHelloMs: 2_000,
  isolationGraceMs: 30_000,
  /** A drain says goodbye at this rate, in this time at most: clients reconnect when they are closed. */
  drainSessionsPerSecondMax: 5_000,
  drainSpreadMsMax: 5_000,
  /** Forgetting a stream is said once; typing is repeated for this long. */
  forgetDeadlineMs: 1,
  typingDeadlineMs: 150,
  /** A gateway's own clockwork: deadlines, retries, presence batches. */
  gatewayTickMs: 100,
  /** A worker not heard of for so long is forgotten with its batch number. Beyond: a hole is assumed when it returns. */
  workerForgottenMs: 120_000,
  /** Tokens of open sessions are checked again, all of them in this time where the rate allows, in case a revocation was lost. */
  tokenRecheckMs: 60_000,
  tokenRechecksPerSecondMax: 200,
  /** Interest is reconciled with each slot's owner. */
  interestReconcileMs: 60_000,
  /** Subscription requests of one message to a slot. Beyond: several messages. */
  subscribeEntriesMax: 1_000,
  /** Messages waiting in one NATS subscription's queue. Beyond: the connection is treated as lost (gaps are filled). */
  natsQueueMessagesMax: 65_536,

  // --- Presence -------------------------------------------------------------------------------------------------
  /** From the end of a user's last session to `away`: a reconnect within it shows nothing. */
  presenceGraceMs: 10_000,
  /** From a user's last activity to `away`. */
  presenceIdleMs: 30 * 60_000,
  /** A gateway states the sessions of all its users again. */
  presenceAnnounceMs: 30_000,
  /** Changes of presence are gathered this long for one message to a gateway; the newest state wins. */
  presenceBatchMs: 100,

  // --- Cluster --------------------------------------------------------------------------------------------------
  heartbeatMs: 100,
  /** Silence of a node. Beyond: it is suspect, and asked directly. */
  suspectAfterMs: 350,
  /** Wait for a suspect's answer. Beyond: it is dead, and its incarnation never returns. */
  suspectPingMs: 150,
  /** Stall of a worker's main loop. Beyond: it serves nothing until a control round trip confirms its incarnation. */
  loopStallMs: 100,
  /** Life of the ring manager's lease, and the time between two renewals. Beyond: another candidate takes it. */
  ringManagerLeaseMs: 1_000,
  ringManagerRenewMs: 300,
  /** Time for a planned hand-off of a slot. Beyond: the old owner is evicted, then as after a crash. */
  handoffMs: 500,
  /** Silence after which the table is read again through its leader. */
  tableRefreshMs: 500,
  /** A worker's clock off by more takes no slots. */
  clockSkewMsMax: 500,
  /** Nodes of one cluster. Beyond: the newcomer refuses to start. */
  nodesMax: 1_000,

  // --- Processes ------------------------------------------------------------------------------------------------
  /** Graceful drain of a role. Beyond: it exits with 1. */
  drainMs: 10_000,
  /** Repeats of a stop signal within this time count once; a later one ends the process at once. */
  signalRepeatMs: 1_000,
  /** Wait before `belfry dev` restarts a process that died, so that a killed worker's slots move first. */
  restartDelayMs: 1_000,
  /** The wait doubles up to this with each death of a process that lived less than `restartStableMs`. */
  restartDelayMsMax: 30_000,
  restartStableMs: 10_000,
  /** From SIGTERM to SIGKILL for a process of `belfry dev`; longer than its own drain may take. */
  childEndMs: 12_000,
  /** Time for nats-servers that outlived their supervisor to end. Beyond: their data folder counts as in use. */
  orphanEndMs: 8_000,
  /** Time for a role of `belfry dev` to become ready. Beyond: one line, exit 2. */
  startMs: 30_000,
  /** First connection to NATS. Beyond: one line, exit 2. */
  natsConnectMs: 5_000,
  natsReconnectWaitMs: 50,
  natsPingMs: 500,

  // --- Broker ---------------------------------------------------------------------------------------------------
  /** Requests of one connection that wait for a reply. Beyond: refused at once as unavailable (or unknown). */
  natsRepliesPendingMax: 65_536,
  /** How often overdue replies are looked for. Time-outs are kept by firing up to this much early. */
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
  /** Wait before a watch that ended is set up again. */
  kvWatchRetryMs: 250,
  /** Time for `belfry init` to make the streams: a cluster that has just started has no leader yet. Beyond: one line. */
  provisionMs: 15_000,
  provisionRetryMs: 250,
  /** Wait for what was published to leave when a broker closes. Beyond: it is lost, as at a crash. */
  brokerCloseFlushMs: 1_000,

  // --- WebApp -------------------------------------------------------------------------------------------------
  /** Depth of nested JSON in a request. Beyond: the argument's own error (`invalid_blocks`, `invalid_json` …). */
  jsonDepthMax: 32,
  /** Blocks, attachments of one message. Beyond: `invalid_blocks`, `too_many_attachments`. */
  messageBlocksMax: 50,
  messageAttachmentsMax: 100,
  /** JSON bytes of a message's blocks. Beyond: `msg_blocks_too_long`. */
  messageBlocksBytesMax: 128 * kib,
  /** JSON bytes of a message's attachments. Beyond: `attachment_payload_limit_exceeded`. */
  messageAttachmentsBytesMax: 128 * kib,
  /** JSON bytes of a message's metadata. Beyond: `metadata_too_large`. */
  messageMetadataBytesMax: 16 * kib,
  /** Characters of markdown_text. Beyond: `msg_too_long`. */
  markdownCharsMax: 12_000,
  /** Token buckets of one webapp. Beyond: the least recently used one is forgotten, that is, full again. */
  rateBucketsMax: 100_000,
  /** Tokens remembered as unknown, and for how long. Beyond: read again from the KV. */
  unknownTokensMax: 10_000,
  unknownTokenAgeMs: 1_000,
  /** Users, bots, apps or channels in a webapp's index, each. Beyond: creating one more is `restricted_action`. */
  directoryEntriesMax: 1_000_000,
  /** Attempts of one compare-and-set on a directory record. Beyond: `service_unavailable`. */
  directoryWriteAttemptsMax: 8,
  /** Users of one conversations.open besides the caller. Beyond: `too_many_users`. */
  openUsersMax: 8,
  /** Users of a users.list without a limit, as old clients ask for it. Beyond: `limit_required`. */
  usersListedWithoutLimitMax: 5_000,
  /** Ims that one list asks at once for their other member. Beyond: they are asked after those. */
  imLookupsAtOnceMax: 64,

  // --- Cluster: judging, electing, handing off ------------------------------------------------------------------
  /** Silence of a node that is beyond doubt without the system account, or when many fall silent at once. Beyond: dead. */
  silenceDeadMs: 1_500,
  /** Silence of a worker whose connections are up: frozen, or only starved of its processor. Beyond: dead. */
  frozenDeadMs: 800,
  /** Wait for other lanes of a node that lost one while nobody answers for it. Beyond: it is dead. */
  laneLossPatienceMs: 150,
  /** Between two pings of one suspect. */
  suspectPingEveryMs: 25,
  /** After our own broker connection came back, or our own stall, nobody is judged for this long. */
  judgingGraceMs: 1_000,
  /** One round of an eviction, and all of it. Beyond: the new rows carry `fence`, which needs no certainty. */
  evictionRoundMs: 100,
  evictionMs: 1_000,
  /** One request to the broker or another node on the control lane. Beyond: tried again by the next round. */
  controlRequestMs: 150,
  /** Between two rounds of the ring manager, and of a member that waits to be confirmed. */
  ringManagerRoundMs: 50,
  confirmRetryMs: 50,
  /** From the first worker of a new cluster to its first table, so that workers started together share it. */
  firstTableWaitMs: 400,
  /** Between two candidates for ring manager, by rank, so that one of them wins the first attempt. */
  candidateStepMs: 10,
  /** Slots in hand-off at once. Beyond: they wait for the next round. */
  handoffSlotsMax: 256,
  /** From the new owner's word to the old owner's drain: subscriptions spread through the broker's nodes. */
  handoffOverlapMs: 20,
  /** Wait of the old owner for the new one's word. Beyond: it drains without, and commands meet a short 503. */
  handoffPreparedMs: 100,
  /** Commands the new owner holds for one slot, and for all. Beyond: answered as retryable. */
  handoffBufferMessagesMax: 4_096,
  handoffBufferBytesMax: 32 * mib,
  /** Slots opened, closed or dropped in one turn of the event loop. Beyond: in the next turn. */
  slotStepsPerTurnMax: 128,
  /** Attempts to reach an owner past its hand-off deadline. Beyond: it is dead. */
  letGoAttemptsMax: 3,
  /** A node that is known but silent makes its entry be read again this often. */
  nodesRefreshMs: 2_000,
  /** Heartbeats by which a node's clock is compared; the smallest difference counts. */
  clockSamplesCount: 10,
  /** Grain of the command router's time-outs. */
  commandSweepMs: 10,
  /** Heartbeats gathered by one look at the cluster (`belfry status`). */
  clusterLookMs: 250,

  // --- Bench ----------------------------------------------------------------------------------------------------
  /** Time for the harness's own servers to end, and for profiles to be written. Beyond: killed; left out. */
  benchEndMs: 30_000,
  /** Wait for the last message of a run. Beyond: what is missing counts as lost, and the run as FAILED. */
  benchSettleMs: 20_000,
  /** Messages of an open loop that wait for a free connection. Beyond: the run is FAILED; the server cannot keep up. */
  benchBacklogMessagesMax: 100_000,
} as const;

export type Limits = typeof limits;
