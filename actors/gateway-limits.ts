/** The limits that the gateway actor's decisions depend on; a test may tighten them. */
import { limits } from '../platform/limits.ts';

export interface GatewayLimits {
  readonly rtmFrameBytesMax: number;
  readonly resumeFrameBytesMax: number;
  readonly resumeCursorsMax: number;
  readonly resumeUnheardMax: number;
  readonly resumeWaitMs: number;
  readonly resumeGapEventsMax: number;
  readonly resumeQueueEventsMax: number;
  readonly resumeQueueBytesMax: number;
  readonly resumeReadFailuresMax: number;
  readonly sessionSetupMs: number;
  readonly sessionFramesInProgressMax: number;
  readonly sessionFramesPerSecondMax: number;
  readonly sessionFramesBurstMax: number;
  readonly sessionFramesFloodMax: number;
  readonly presenceIdleMs: number;
  readonly presenceAnnounceMs: number;
  readonly leavesRememberedMax: number;
  readonly earlyAckMs: number;
  readonly gapHoldEventsMax: number;
  readonly gapHoldBytesMax: number;
  readonly gapHoldMs: number;
  readonly gapAskAgainMs: number;
  readonly interestReconcileMs: number;
  readonly interestLingerMs: number;
  readonly subscribeEntriesMax: number;
  readonly admitCommandsInFlightMax: number;
  readonly isolationHelloMs: number;
  readonly isolationGraceMs: number;
  readonly drainSpreadMsMax: number;
  readonly drainSessionsPerSecondMax: number;
}

export const gatewayLimits: GatewayLimits = limits;
