/** Limits of sessions, sockets and the places that a gateway keeps. Part of limits.ts, which states the rules. */

const kib = 1_024;
const mib = 1_024 * kib;

export const gatewayLimits = {
  // --- Gateway -------------------------------------------------------------------------------------------------
  /** Bytes waiting for one socket. Beyond: uWebSockets.js closes it with 1006; the client reconnects and resumes. */
  socketBackpressureBytesMax: 1 * mib,
  /** Bytes waiting for all sockets of one gateway together, looked at so often. Beyond: as for one, the fullest first. */
  socketsBackpressureBytesMax: 256 * mib,
  socketsLookMs: 1_000,
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
  /** Events of one read of a replay. Beyond: they follow in further reads. */
  resumeReadEventsMax: 1_000,
  /** Beat of the batch number of a (worker, gateway) pair when no batch is sent. */
  batchBeatMs: 250,
  /** Gateways of one region that listen to a stream. From so many on its events are published once for the region... */
  regionBatchGatewaysCount: 16,
  /** ... unless more than so many others are there for a hundred that listen: then each gets its own copy after all. */
  regionStrangersPerHundredMax: 25,
  /** Cursors a gateway verifies per second. Beyond: they wait behind live traffic. */
  cursorChecksPerSecondMax: 1_000,
  /** Events of one stream between a resuming client's cursor and the tail. Beyond: `resync`, nothing is replayed. */
  resumeGapEventsMax: 10_000,
  /** Live events of one stream kept behind a session's replay of it. Beyond: they are read from the log as well. */
  resumeQueueEventsMax: 1_000,
  resumeQueueBytesMax: 256 * kib,
  /** Reads of one replay that fail one after another, 5 s each. Beyond: closed with 4002. */
  resumeReadFailuresMax: 3,
  /** Reads for replays in flight: of one session, streams of the gateway. Beyond: they wait their turn. */
  resumeReadsPerSessionMax: 8,
  resumeReadsPerGatewayMax: 256,
  /** Streams in one command to a slot. Beyond: several commands. */
  resumeReadsPerCommandMax: 64,
  /** Pages of replays that a gateway keeps for other sessions. Beyond: the oldest are dropped and read again. */
  pageCacheBytesMax: 32 * mib,
  pageCacheAgeMs: 5_000,
  /** Bytes waiting for a socket above which its replay pauses. A page more stays below socketBackpressureBytesMax. */
  resumePauseBytes: 256 * kib,
  /** Time of one event-loop turn for workers' batches, and bytes of those that wait. Beyond: as frame-slices.ts says. */
  batchSliceMs: 20,
  batchBacklogBytesMax: 64 * mib,
  /** Share of a gateway's time for workers' batches and what they write to sockets. Beyond: it rests, as batch-rest.ts says. */
  batchShareMaxPercent: 50,
  /** How much longer than that share allows it may be busy after a rest, and its longest rest. */
  batchBurstMs: 50,
  batchRestMsMax: 12,
  /** Time of one event-loop turn for clients' frames, and bytes of those that wait. Beyond: as frame-slices.ts says. */
  frameSliceMs: 20,
  frameBacklogBytesMax: 32 * mib,
  /** Time of one event-loop turn for the answers of slots. Beyond: in the next turn. */
  answerSliceMs: 20,
  /** Time of one event-loop turn for handing out pages. Beyond: in the next turn, behind what is live. */
  resumeSliceMs: 8,
  /** From the upgrade to hello. Beyond: closed with 4102. */
  sessionSetupMs: 10_000,
  /** Frames per second of one session, after a burst. Beyond: error frames; this far beyond: closed with 4202. */
  sessionFramesPerSecondMax: 50,
  sessionFramesBurstMax: 500,
  sessionFramesFloodMax: 1_000,
  /** Answers that one user's list of channels may take, some 1,600 channels each. Beyond: no list: a session gets none and
   *  asks again, the API answers `service_unavailable`. More than membershipsRememberedMax need. */
  membershipAnswersMax: 64,
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
  /** From a drain's last close frame to the end of the process: a busy client needs time to read it before it is cut. */
  drainLingerMs: 500,
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
  /** Slots that a gateway asks for admissions at a time. Beyond: they wait and gather. */
  admitCommandsInFlightMax: 512,
} as const;
