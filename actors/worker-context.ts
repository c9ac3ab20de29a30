/**
 * What the actors of one worker share, and what one stream's actor is given by the slot that it lives in.
 */
import type { LogWriterSource } from '../broker/append-log.ts';
import type { LogAddress } from '../broker/log-reader.ts';
import { subjects } from '../broker/subjects.ts';
import type { CommandSender } from '../cluster/command-sender.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';
import type { PresenceState } from '../protocol/commands.ts';
import type { StreamId, TeamId, UserId } from '../protocol/ids.ts';
import type { Answers } from './answers.ts';
import type { AppendGate } from './append-gate.ts';
import type { CommitWindow } from './commit-window.ts';
import type { FanOutWays } from './fan-out-ways.ts';
import type { GatewayOutboxes } from './gateway-outbox.ts';
import type { HotStates } from './hot-states.ts';
import type { HotTails } from './hot-tail.ts';
import type { InterestSet, InterestSets } from './interest.ts';
import type { ReadGate } from './read-gate.ts';
import type { SnapshotStore } from './snapshot.ts';
import type { StreamReads } from './stream-reads.ts';

export interface WorkerContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly answers: Answers;
  readonly outboxes: GatewayOutboxes;
  readonly ways: FanOutWays;
  readonly hotTails: HotTails;
  /** What former owners left. */
  readonly hotStates: HotStates;
  /** How actors came to life: from the log, or from what their former owner left. */
  readonly activated: { cold: number; hot: number };
  readonly interests: InterestSets;
  readonly snapshots: SnapshotStore;
  readonly logs: LogWriterSource;
  readonly sender: Pick<CommandSender, 'toStream'>;
  readonly reads: ReadGate;
  readonly activations: ReadGate;
  readonly appends: AppendGate;
  readonly commitWindow: CommitWindow;
  readonly appendTimer: DurationTimer;
  readonly mailboxWaits: DurationTimer;
  readonly partitions: number;
  readonly team: TeamId | undefined;
}

/** What is known of a stream without its actor: cheap enough for millions. */
export interface StreamEntry {
  readonly stream: StreamId;
  interest: InterestSet;
  /** The last event that was fanned out, or that stood in the log when it was looked at; -1: not known. */
  seq: number;
  /** Subscriptions being decided, that a leave in between must revoke. */
  admitting: PendingAdmission[] | undefined;
}

export interface PendingAdmission {
  readonly user: UserId;
  revoked: boolean;
}

/** One stream's place in its slot. */
export interface StreamHome {
  readonly context: WorkerContext;
  readonly slot: number;
  readonly epoch: number;
  /** The previous owner may still be writing: fence the log before answering anything. */
  readonly fence: boolean;
  readonly entry: StreamEntry;
  /** Aborts when the slot is given up: nothing may be appended or sent after that. */
  readonly signal: AbortSignal;
  readonly reads: StreamReads;
  /** The slot is being handed over: nothing may wait for others. */
  closing(): boolean;
  /** False while the worker is unsure of its ownership: no append starts. */
  serving(): boolean;
  fenced(epochSeen: number): void;
  manualPresenceChanged(user: UserId, away: boolean): void;
  presence(user: UserId, manualAway: boolean): PresenceState;
}

export function logAddress(context: WorkerContext, slot: number, stream: StreamId): LogAddress {
  const { partitions } = context;
  return { stream: subjects.logStream(partitions, slot), subject: subjects.log(partitions, slot, stream) };
}

/** A signal that aborts with `parent`, or after `timeoutMs`. `done` lets go of both. */
export function deadline(
  clock: Clock,
  parent: AbortSignal,
  timeoutMs: number,
): { signal: AbortSignal; done: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = clock.setTimeout(abort, timeoutMs);
  if (parent.aborted) abort();
  parent.addEventListener('abort', abort);
  const done = (): void => {
    timer.cancel();
    parent.removeEventListener('abort', abort);
  };
  return { signal: controller.signal, done };
}
