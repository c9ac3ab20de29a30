/**
 * What the in-memory broker keeps: streams of records and buckets of keys, with the real server's compare-and-set rules.
 * Synchronous; when and whether a client hears of a result is memory-link.ts's.
 */
import type { AppendAttempt, KvChange, KvRead, KvWrite, RecordRead, StoredRecord } from './broker.ts';
import { subjectMatches } from './subject-match.ts';

interface MemoryStream {
  readonly filter: string;
  readonly lastValueOnly: boolean;
  readonly records: Map<number, StoredRecord>;
  readonly lastBySubject: Map<string, number>;
  lastSequence: number;
}

export class MemoryStreams {
  readonly #streams = new Map<string, MemoryStream>();

  /** `lastValueOnly`: a record replaces the one before it on its subject. Adding a stream again changes nothing. */
  add(name: string, filter: string, lastValueOnly = false): void {
    if (this.#streams.has(name)) return;
    const [records, lastBySubject] = [new Map<number, StoredRecord>(), new Map<string, number>()];
    this.#streams.set(name, { filter, lastValueOnly, records, lastBySubject, lastSequence: 0 });
  }

  append(subject: string, data: Uint8Array, expected: number): AppendAttempt {
    const stream = [...this.#streams.values()].find(({ filter }) => subjectMatches(filter, subject));
    if (stream === undefined) return { kind: 'unknown', reason: 'no-responders' };
    const last = stream.lastBySubject.get(subject) ?? 0;
    if (last !== expected) return { kind: 'conflict' };
    if (stream.lastValueOnly) stream.records.delete(last);
    stream.lastSequence += 1;
    const sequence = stream.lastSequence;
    stream.records.set(sequence, { sequence, subject, data, previous: expected });
    stream.lastBySubject.set(subject, sequence);
    return { kind: 'stored', sequence };
  }

  last(stream: string, subject: string): RecordRead {
    return this.at(stream, this.#streams.get(stream)?.lastBySubject.get(subject) ?? 0);
  }

  at(stream: string, sequence: number): RecordRead {
    const known = this.#streams.get(stream);
    if (known === undefined) return { kind: 'unavailable', cause: new Error(`no stream ${stream}`) };
    const record = known.records.get(sequence);
    return record === undefined ? { kind: 'absent' } : { kind: 'found', record };
  }

  /** Forgets the subject's records below `sequence`: what trimming, or a broken server, does. */
  purge(stream: string, subject: string, below: number): void {
    const known = this.#streams.get(stream);
    if (known === undefined) return;
    for (const [sequence, record] of known.records) {
      if (record.subject === subject && sequence < below) known.records.delete(sequence);
    }
    if ((known.lastBySubject.get(subject) ?? 0) < below) known.lastBySubject.delete(subject);
  }
}

type Watcher = { readonly filter: string; readonly handler: (change: KvChange) => void };

/** One bucket. Revisions rise over all of its keys; a deleted key keeps the revision of its deletion. */
export class MemoryBucket {
  readonly #keys = new Map<string, { readonly revision: number; readonly value: Uint8Array | undefined }>();
  readonly #watchers = new Set<Watcher>();
  #revision = 0;

  get(key: string): KvRead {
    const present = this.#keys.get(key);
    if (present?.value === undefined) return { kind: 'absent' };
    return { kind: 'found', entry: { key, value: present.value, revision: present.revision } };
  }

  create(key: string, value: Uint8Array): KvWrite {
    return this.#keys.get(key)?.value === undefined ? this.write(key, value) : { kind: 'conflict' };
  }

  update(key: string, value: Uint8Array, revision: number): KvWrite {
    return this.#keys.get(key)?.revision === revision ? this.write(key, value) : { kind: 'conflict' };
  }

  /** An undefined value deletes. */
  write(key: string, value: Uint8Array | undefined): KvWrite {
    this.#revision += 1;
    const revision = this.#revision;
    this.#keys.set(key, { revision, value });
    const change = changeOf(key, value, revision);
    for (const { filter, handler } of [...this.#watchers]) if (subjectMatches(filter, key)) handler(change);
    return { kind: 'written', revision };
  }

  /** The newest change of every key that ever was, in the order of their revisions. */
  changes(filter: string): readonly KvChange[] {
    return [...this.#keys]
      .filter(([key]) => subjectMatches(filter, key))
      .sort(([, a], [, b]) => a.revision - b.revision)
      .map(([key, { revision, value }]) => changeOf(key, value, revision));
  }

  /** Changes from now on; returns the way to stop. */
  watch(filter: string, handler: (change: KvChange) => void): () => void {
    const watcher = { filter, handler };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
}

function changeOf(key: string, value: Uint8Array | undefined, revision: number): KvChange {
  return value === undefined ? { kind: 'delete', key, revision } : { kind: 'put', entry: { key, value, revision } };
}
