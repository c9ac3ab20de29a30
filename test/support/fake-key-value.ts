/**
 * A bucket for tests of what stands on broker.KeyValue: in memory, at once, and absent when told so. Watches are hints:
 * they can be held back.
 */
import type { KeyValue, KvChange, KvEntry, KvRead, KvWrite, Messaging } from '../../broker/broker.ts';

export class FakeKeyValue implements KeyValue {
  readonly entriesByKey = new Map<string, KvEntry>();
  /** True: every read and write fails, and writes nothing. */
  down = false;
  /** True: the next write is stored, but its outcome is unknown to the writer. */
  losesNextAnswer = false;
  /** True: watchers hear nothing until release(). */
  deaf = false;
  reads = 0;
  #revision = 0;
  readonly #watchers = new Set<(change: KvChange) => void>();

  async get(key: string): Promise<KvRead> {
    this.reads += 1;
    if (this.down) return { kind: 'unavailable', cause: new Error('down') };
    const entry = this.entriesByKey.get(key);
    return entry === undefined ? { kind: 'absent' } : { kind: 'found', entry };
  }

  async create(key: string, value: Uint8Array): Promise<KvWrite> {
    return this.#write(key, value, this.entriesByKey.has(key));
  }

  async update(key: string, value: Uint8Array, revision: number): Promise<KvWrite> {
    return this.#write(key, value, this.entriesByKey.get(key)?.revision !== revision);
  }

  async put(key: string, value: Uint8Array): Promise<KvWrite> {
    return this.#write(key, value, false);
  }

  async delete(key: string): Promise<KvWrite> {
    this.entriesByKey.delete(key);
    return { kind: 'written', revision: ++this.#revision };
  }

  async entries(): Promise<readonly KvEntry[]> {
    return [...this.entriesByKey.values()];
  }

  watch(_filter: string, handler: (change: KvChange) => void): { ready: Promise<void>; stop(): void } {
    for (const entry of this.entriesByKey.values()) handler({ kind: 'put', entry });
    this.#watchers.add(handler);
    return { ready: Promise.resolve(), stop: () => void this.#watchers.delete(handler) };
  }

  #write(key: string, value: Uint8Array, conflict: boolean): KvWrite {
    if (this.down) return { kind: 'unknown', cause: new Error('down') };
    if (conflict) return { kind: 'conflict' };
    const entry = { key, value: Uint8Array.from(value), revision: ++this.#revision };
    this.entriesByKey.set(key, entry);
    if (!this.deaf) for (const handler of this.#watchers) handler({ kind: 'put', entry });
    if (!this.losesNextAnswer) return { kind: 'written', revision: entry.revision };
    this.losesNextAnswer = false;
    return { kind: 'unknown', cause: new Error('lost') };
  }
}

/** Publish and subscribe by exact subject, in this process; a message can be lost. */
export class FakeNews implements Pick<Messaging, 'publish' | 'subscribe' | 'onStatus'> {
  losesNext = false;
  readonly #handlers = new Map<string, Set<Parameters<Messaging['subscribe']>[1]>>();
  readonly #listeners = new Set<Parameters<Messaging['onStatus']>[0]>();

  publish(subject: string, data: Uint8Array): void {
    if (this.losesNext) {
      this.losesNext = false;
      return;
    }
    for (const handler of this.#handlers.get(subject) ?? []) {
      handler({ subject, data, reply: undefined, noResponders: false });
    }
  }

  subscribe(subject: string, handler: Parameters<Messaging['subscribe']>[1]): ReturnType<Messaging['subscribe']> {
    const handlers = this.#handlers.get(subject) ?? new Set();
    this.#handlers.set(subject, handlers.add(handler));
    const unsubscribe = () => void handlers.delete(handler);
    return { unsubscribe, drain: async () => unsubscribe() };
  }

  onStatus(listener: Parameters<Messaging['onStatus']>[0]): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  reconnect(): void {
    for (const listener of this.#listeners) {
      listener('disconnected');
      listener('connected');
    }
  }
}
