/**
 * How an actor comes to life: the snapshot, if there is one, and the log's tail after it.
 *
 * Invariants:
 * L1  The state is the log's, up to the position that the first append will expect.
 * L2  A log of a higher epoch than ours belongs to somebody else: nothing is answered from it.
 * L3  Where the previous owner may still write, an epoch record of ours stands in the log before anything is answered;
 *     one is enough for as long as we own the slot.
 * L4  An empty log under an existing snapshot is a fault, not a new stream.
 * L5  What a former owner left when it released the slot is the log's end as nobody else could have changed it: it had
 *     fenced the log where that was needed, and finished. It is used once; the first append compares as every other.
 */
import { AppendLog } from '../broker/append-log.ts';
import { LogReader, type LogOpening } from '../broker/log-reader.ts';
import { limits } from '../platform/limits.ts';
import { DecodeError } from '../protocol/errors.ts';
import { apply, emptyState, type StreamState } from './channel-state.ts';
import { decodeHotActor } from './hot-state.ts';
import type { Note } from './membership-outbox.ts';
import { notesOf } from './membership-notes.ts';
import type { SnapshotHandle } from './snapshot.ts';
import { logAddress, type StreamHome } from './worker-context.ts';

export interface Hydrated {
  readonly kind: 'hydrated';
  readonly state: StreamState;
  readonly log: AppendLog;
  readonly snapshot: SnapshotHandle;
  /** Seq of the snapshot that it began with; 0 for none. */
  readonly snapshotSeq: number;
  /** What members' own streams may not have heard. */
  readonly notes: readonly Note[];
}

/** An event in memory, besides its content. */
const EVENT_BYTES = 320;

export type Hydration =
  | Hydrated
  | { readonly kind: 'unavailable'; readonly reason: string }
  | { readonly kind: 'fenced'; readonly epoch: number };

const unavailable = (reason: string): Hydration => ({ kind: 'unavailable', reason });

/** Never rejects. `signal` bounds how long it keeps asking a broker that does not answer. */
export async function hydrate(home: StreamHome, signal: AbortSignal): Promise<Hydration> {
  const { context, slot, entry } = home;
  const hot = hydrateHot(home);
  context.activated[hot === undefined ? 'cold' : 'hot'] += 1;
  if (hot !== undefined) return hot;
  const address = logAddress(context, slot, entry.stream);
  const reader = new LogReader(context.logs, address);
  const [snapshot, opening] = await Promise.all([context.snapshots.load(slot, entry.stream), reader.open(signal)]);
  if (opening.kind !== 'open') return fault(home, opening);
  if (snapshot.kind === 'unavailable') return unavailable('snapshot');
  if (opening.epoch > home.epoch) return { kind: 'fenced', epoch: opening.epoch };
  if (opening.position.sequence === 0 && (snapshot.kind === 'loaded' || snapshot.exists)) {
    context.logger.error('log_empty_under_snapshot', { stream: entry.stream, slot });
    return unavailable('log is empty');
  }
  const log = new AppendLog(context.logs, address, opening.position);
  if (home.fence && opening.epoch < home.epoch && opening.position.sequence > 0) {
    const fence = await appendFence(home, log, signal);
    if (fence !== undefined) return fence;
  }
  const lastSeq = log.position.nextSeq - 1;
  // After a power loss the log may end before the snapshot: then the snapshot tells of what is no more.
  const usable = snapshot.kind === 'loaded' && snapshot.state.seq <= lastSeq;
  const state = usable ? snapshot.state : emptyState(entry.stream);
  const notes = usable ? [...snapshot.notes] : [];
  const snapshotSeq = state.seq;
  const folded = await foldTail(home, reader, log, state, notes, signal);
  if (folded !== undefined) return folded;
  return { kind: 'hydrated', state, log, snapshot: snapshot.handle, snapshotSeq, notes };
}

/** L5 */
function hydrateHot(home: StreamHome): Hydrated | undefined {
  const { context, slot, entry } = home;
  const bytes = context.hotStates.take(slot, entry.stream);
  if (bytes === undefined) return undefined;
  try {
    const { position, state, notes, snapshot, snapshotSeq, tail, tailBytes } = decodeHotActor(entry.stream, bytes);
    const log = new AppendLog(context.logs, logAddress(context, slot, entry.stream), position);
    const eventBytes = EVENT_BYTES + Math.ceil(tailBytes / Math.max(1, tail.length));
    for (const { seq, event } of tail) context.hotTails.push(entry.stream, seq, event, eventBytes);
    return { kind: 'hydrated', state, log, snapshot, snapshotSeq, notes };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    context.logger.warn('hot_state_unusable', { stream: entry.stream, slot, error });
    return undefined;
  }
}

/** Folds everything from the state's seq to the log's end; the reason when that is not to be had. */
async function foldTail(
  home: StreamHome,
  reader: LogReader,
  log: AppendLog,
  state: StreamState,
  notes: Note[],
  signal: AbortSignal,
): Promise<Hydration | undefined> {
  const upToSeq = log.position.nextSeq - 1;
  while (state.seq < upToSeq) {
    const query = { afterSeq: state.seq, upToSeq, count: limits.logPageEventsMax };
    const range = await reader.eventsBetween(log.position, query, signal);
    if (range.kind !== 'events') return fault(home, range);
    for (const { seq, event } of range.events) {
      apply(state, event);
      notes.push(...notesOf(seq, event.body));
    }
    if (range.events.length === 0) return fault(home, { kind: 'broken', detail: `no events after ${state.seq}` });
  }
  return undefined;
}

async function appendFence(home: StreamHome, log: AppendLog, signal: AbortSignal): Promise<Hydration | undefined> {
  for (let attempt = 0; attempt < limits.foreignRetriesMax; attempt += 1) {
    const outcome = await log.append([], home.epoch, signal);
    if (outcome.kind === 'committed') {
      return outcome.fencedBy === undefined ? undefined : { kind: 'fenced', epoch: outcome.fencedBy };
    }
    if (outcome.kind === 'fenced') return { kind: 'fenced', epoch: outcome.epoch };
    if (outcome.kind === 'broken') return fault(home, outcome);
    if (outcome.kind === 'abandoned') return unavailable('log');
    // Foreign: the old owner was still writing; the fence goes behind that.
  }
  return unavailable('log keeps moving');
}

function fault(home: StreamHome, failure: Exclude<LogOpening, { kind: 'open' }>): Hydration {
  if (failure.kind === 'unavailable') return unavailable('log');
  const detail = failure.kind === 'broken' ? failure.detail : failure.kind;
  home.context.logger.error('log_unusable', { stream: home.entry.stream, slot: home.slot, detail });
  return unavailable('log is unusable');
}
