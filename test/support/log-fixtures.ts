/** Events, whole logs and damaged stores for tests of the log. */
import type { AppendAttempt, RecordRead, RecordStore } from '../../broker/broker.ts';
import { emptyLog, type LogPosition, positionAfter, skipsOfNext } from '../../broker/log-position.ts';
import type { DurableEvent } from '../../protocol/events.ts';
import { parseMutationId, parseUserId } from '../../protocol/ids.ts';
import { encodeRecord, type LogRecord } from '../../protocol/records.ts';

const author = parseUserId('U0000000001')!;

/** A message whose mutation id says what it is; `ts` in microseconds. */
export function messageEvent(label: string, ts: number): DurableEvent {
  return {
    ts,
    author,
    mutation: parseMutationId(label)!,
    body: { kind: 'message', author: { user: author }, draft: { text: label } },
  };
}

/** The timestamp that `planLog` gives to event `seq`. */
export const tsOf = (seq: number): number => seq * 10;

/** Records with these numbers of events each (0: a fence), as an owner writes them. Sequences begin at `firstSequence`. */
export function planLog(sizes: readonly number[], firstSequence = 1, stride = 1) {
  let position: LogPosition = emptyLog;
  const records: { readonly sequence: number; readonly previous: number; readonly record: LogRecord }[] = [];
  for (const [at, size] of sizes.entries()) {
    const record: LogRecord = {
      epoch: 1,
      recordId: `planned-${at}`,
      index: at + 1,
      firstSeq: position.nextSeq,
      skips: skipsOfNext(position),
      events: Array.from({ length: size }, (_, i) =>
        messageEvent(`m${position.nextSeq + i}`, tsOf(position.nextSeq + i)),
      ),
    };
    const sequence = firstSequence + at * stride;
    records.push({ sequence, previous: position.sequence, record });
    position = positionAfter(position, sequence, record);
  }
  return { records, position };
}

/** A store that holds a planned log on one subject, and counts how often it is read. */
export class PlannedStore implements RecordStore {
  reads = 0;
  /** The most that were under way at once. */
  readsInFlightMax = 0;
  readonly #records = new Map<number, { readonly data: Uint8Array; readonly previous: number }>();
  readonly #subject: string;
  #inFlight = 0;
  #last = 0;

  constructor(subject: string, plan: ReturnType<typeof planLog>) {
    this.#subject = subject;
    for (const { sequence, previous, record } of plan.records) {
      this.#records.set(sequence, { data: encodeRecord(record), previous });
      this.#last = sequence;
    }
  }

  append(): Promise<AppendAttempt> {
    throw new Error('a planned log is only read');
  }

  last(): Promise<RecordRead> {
    return this.at('', this.#last);
  }

  async at(_stream: string, sequence: number): Promise<RecordRead> {
    this.reads += 1;
    this.#inFlight += 1;
    this.readsInFlightMax = Math.max(this.readsInFlightMax, this.#inFlight);
    await Promise.resolve();
    this.#inFlight -= 1;
    const record = this.#records.get(sequence);
    return record === undefined
      ? { kind: 'absent' }
      : { kind: 'found', record: { sequence, subject: this.#subject, ...record } };
  }

  /** As trimming does. */
  forgetBelow(sequence: number): void {
    for (const known of this.#records.keys()) if (known < sequence) this.#records.delete(known);
  }
}

/** What a store says in place of, or before, what really happens to appends and reads. */
export interface StoreFaults {
  /** Called for each append. `lose-append`: never sent. `lose-ack`: stored, but the answer is lost. */
  append?: () => 'pass' | 'lose-append' | 'lose-ack';
  /** Called for each read: undefined reads as usual. */
  read?: () => RecordRead | undefined;
}

export function withFaults(inner: RecordStore, faults: StoreFaults): RecordStore & { readonly appends: number } {
  let appends = 0;
  const read = (run: () => Promise<RecordRead>): Promise<RecordRead> => {
    const instead = faults.read?.();
    return instead === undefined ? run() : Promise.resolve(instead);
  };
  return {
    get appends() {
      return appends;
    },
    async append(subject, data, expected, timeoutMs) {
      appends += 1;
      const fate = faults.append?.() ?? 'pass';
      if (fate === 'lose-append') return { kind: 'unknown', reason: 'lost' };
      const attempt = await inner.append(subject, data, expected, timeoutMs);
      return fate === 'lose-ack' ? { kind: 'unknown', reason: 'lost' } : attempt;
    },
    last: (stream, subject) => read(() => inner.last(stream, subject)),
    at: (stream, sequence) => read(() => inner.at(stream, sequence)),
  };
}
