/** Limits of judging, electing and handing off, and the life of processes. Part of limits.ts, which states the rules. */

const kib = 1_024;
const mib = 1_024 * kib;

export const clusterLimits = {
  // --- Cluster -------------------------------------------------------------------------------------------------
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

  // --- Cluster: judging, electing, handing off -----------------------------------------------------------------
  /** Silence of a node that is beyond doubt without the system account, or when many fall silent at once. Beyond: dead. */
  silenceDeadMs: 1_500,
  /** Silence of a worker whose connections are up: frozen, or only starved of its processor. Beyond: dead. */
  frozenDeadMs: 800,
  /** Silence of a gateway or webapp whose connections are up. Beyond: dead. */
  starvedDeadMs: 5_000,
  /** Wait for other lanes of a node that lost one while nobody answers for it. Beyond: it is dead. */
  laneLossPatienceMs: 150,
  /** Between two pings of one suspect. */
  suspectPingEveryMs: 25,
  /** After our own broker connection came back, or our own stall, nobody is judged for this long. */
  judgingGraceMs: 1_000,
  /** One round of an eviction, and all of it. Beyond: the new rows carry `fence`, which needs no certainty. */
  evictionRoundMs: 100,
  evictionMs: 1_000,
  /** Rounds in which a broker's server did not answer and all others have closed everything. Beyond: `fence`, too. */
  evictionSilentRoundsMax: 3,
  /** One request to the broker or another node on the control lane. Beyond: tried again by the next round. */
  controlRequestMs: 150,
  /** Between two rounds of the ring manager, and of a member that waits to be confirmed. */
  ringManagerRoundMs: 50,
  confirmRetryMs: 50,
  /** From the first worker of a new cluster to its first table, so that workers started together share it. */
  firstTableWaitMs: 400,
  /** Between two candidates for ring manager, by rank, so that one of them wins the first attempt. */
  candidateStepMs: 10,
  /** Slots in hand-off at once. Beyond: they wait for a later round. */
  handoffSlotsMax: 128,
  /** The same for the first of a change; doubled with each further step: code that never ran before stalls the loop. */
  handoffSlotsFirst: 16,
  /** Least time from one table that begins hand-offs to the next. */
  handoffStepMs: 100,
  /** Time without a hand-off after which the next one counts as the first of a change. */
  handoffCalmMs: 500,
  /** From the new owner's word to the old owner's drain: subscriptions spread through the broker's nodes. */
  handoffOverlapMs: 20,
  /** Wait of the old owner for the new one's word. Beyond: it drains without, and commands meet a short 503. */
  handoffPreparedMs: 100,
  /** Commands the new owner holds for one slot, and for all. Beyond: answered as retryable. */
  handoffBufferMessagesMax: 4_096,
  handoffBufferBytesMax: 32 * mib,
  /** Hot state of the slots that one owner releases together. Beyond: their channels are activated from the log. */
  hotReleaseBytesMax: 4 * mib,
  /** Hot chunks a new owner holds before it may serve their slots. Beyond: as above. */
  hotInboxBytesMax: 32 * mib,
  /** Slots opened, closed or dropped in one turn of the event loop. Beyond: in the next turn. */
  slotStepsPerTurnMax: 128,
  /** Attempts to reach an owner past its hand-off deadline. Beyond: it is dead. */
  letGoAttemptsMax: 10,
  /** A node that is known but silent makes its entry be read again this often. */
  nodesRefreshMs: 2_000,
  /** Heartbeats by which a node's clock is compared; the smallest difference counts. */
  clockSamplesCount: 10,
  /** Grain of the command router's time-outs. */
  commandSweepMs: 10,
  /** Commands of one turn to one worker in one message. Beyond: it leaves at once and a new one is begun. */
  commandBundleBytesMax: 128 * kib,
  /** Heartbeats gathered by one look at the cluster (`belfry status`). */
  clusterLookMs: 250,

  // --- Processes -----------------------------------------------------------------------------------------------
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
  /** Starts of several nats-servers that do not become a cluster. Beyond: one line, exit 2. */
  clusterTriesMax: 3,
  /** First connection to NATS. Beyond: one line, exit 2. */
  natsConnectMs: 5_000,
  natsReconnectWaitMs: 50,
  natsPingMs: 500,

  // --- Bench ---------------------------------------------------------------------------------------------------
  /** Time for the harness's own servers to end, and for profiles to be written. Beyond: killed; left out. */
  benchEndMs: 30_000,
  /** Wait for the last message of a run. Beyond: what is missing counts as lost, and the run as FAILED. */
  benchSettleMs: 20_000,
  /** Messages of an open loop that wait for a free connection. Beyond: the run is FAILED; the server cannot keep up. */
  benchBacklogMessagesMax: 100_000,
  /** Wait for further machines to join. Beyond: nothing is measured. */
  benchJoinMs: 120_000,
  /** A machine that joined and its coordinator let each other know so often that they are there. */
  benchMachineBeatMs: 500,
  /** Silence after which they take each other for gone. Beyond: the run fails, the load ends. */
  benchMachineSilenceMs: 10_000,
} as const;
