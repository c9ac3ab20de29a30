/**
 * How an actor comes to life: the snapshot, if there is one, and the log's tail after it.
 *
 * Invariants:
 * L1  The state is the log's, up to the position that the first append will expect.
 * L2  A log of a higher epoch than ours belongs to somebody else: nothing is answered from it.
 * L3  Where the previous owner may still write, an epoch record of ours stands in the log before anything is answered;
 *     one is enough for as long as we own the slot. An empty log is fenced when somebody listens to it (channel-actor.ts).
 * L4  An empty log under an existing snapshot is a fault, not a new stream.
 * L5  What a former owner left when it released the slot is the log's end as nobody else could have changed it: it had
 *     fenced the log where that was needed, and finished. It is used once; the first append compares as every other.
 * L6  A snapshot that knows where the log stood has what came after it read at once, in parallel; the records must chain
 *     to that place. Where they do not, the log is opened from its end, as without one.
 */
import { AppendLog } from '../broker/append-log.ts';
import type { PlacedRecord } from '../broker/log-position.ts';
import { LogReader, type LogFailure, type LogOpening, type NewestRecord } from '../broker/log-reader.ts';
import { limits } from '../platform/limits.ts';
import { DecodeError } from '../protocol/errors.ts';
import type { DurableEvent } from '../protocol/events.ts';
import { apply, emptyState, type StreamState } from './channel-state.ts';
import { decodeHotActor } from './hot-state.ts';
import type { Note } from './membership-outbox.ts';
import { notesOf } from './membership-notes.ts';
import type { SnapshotHandle, SnapshotLoad } from './snapshot.ts';
import { logAddress, type StreamHome } from './worker-context.ts';

export interface Hydrated {
  readonly kind: 'hydrated';
  readonly state: StreamState;
  readonly log: AppendLog;
  readonly snapshot: SnapshotHandle;
  /** Seq of the snapshot's head that it began with; 0 for none. */
  readonly snapshotSeq: number;
  /** Nothing but messages came after that head, as far as is known. */
  readonly onlyMessages: boolean;
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
  const newest = reader.newest(signal);
  const snapshot = await context.snapshots.load(slot, entry.stream);
  const opening = await openLog(reader, snapshot, newest, signal);
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
  const snapshotSeq = usable ? snapshot.headSeq : 0;
  const behind = opening.records.flatMap(({ record }) => record.events);
  for (const event of behind) fold(state, event, notes);
  const folded = await foldTail(home, reader, log, state, notes, signal);
  if (folded !== undefined) return folded;
  const onlyMessages = usable && state.seq === opening.position.nextSeq - 1 && behind.every(isMessage);
  return { kind: 'hydrated', state, log, snapshot: snapshot.handle, snapshotSeq, onlyMessages, notes };
}

type Opened = Extract<LogOpening, { kind: 'open' }> & {
  /** What came after the snapshot, where the snapshot told from where to read it (L6). */
  readonly records: readonly PlacedRecord[];
};

async function openLog(
  reader: LogReader,
  snapshot: SnapshotLoad,
  newest: Promise<NewestRecord>,
  signal: AbortSignal,
): Promise<Opened | LogFailure> {
  if (snapshot.kind === 'loaded' && snapshot.position !== undefined) {
    const since = await reader.since(snapshot.position, limits.snapshotEveryEvents, signal, newest);
    if (since.kind === 'unavailable') return since;
    if (since.kind === 'records') return { ...since, kind: 'open' };
  }
  const opening = await reader.open(signal, newest);
  return opening.kind === 'open' ? { ...opening, records: [] } : opening;
}

function fold(state: StreamState, event: DurableEvent, notes: Note[]): void {
  apply(state, event);
  notes.push(...notesOf(state.seq, event.body));
}

const isMessage = ({ body }: DurableEvent): boolean => body.kind === 'message';

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
    return { kind: 'hydrated', state, log, snapshot, snapshotSeq, onlyMessages: false, notes };
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
    for (const { event } of range.events) fold(state, event, notes);
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

function fault(home: StreamHome, failure: LogFailure): Hydration {
  if (failure.kind === 'unavailable') return unavailable('log');
  const detail = failure.kind === 'broken' ? failure.detail : failure.kind;
  home.context.logger.error('log_unusable', { stream: home.entry.stream, slot: home.slot, detail });
  return unavailable('log is unusable');
}
