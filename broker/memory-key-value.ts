/** One bucket of the in-memory broker, as a client sees it: over its control connection. */
import { assert } from '../platform/assert.ts';
import { limits } from '../platform/limits.ts';
import { BrokerLimitError, type KeyValue, type KvChange, type KvEntry, type KvRead, type KvWrite } from './broker.ts';
import { checkFilter, checkKey } from './key-shape.ts';
import type { MemoryLink } from './memory-link.ts';
import type { MemoryBucket } from './memory-store.ts';

export class MemoryKeyValue implements KeyValue {
  readonly #link: MemoryLink;
  readonly #bucket: MemoryBucket;
  readonly #payloadBytesMax: number;

  constructor(link: MemoryLink, bucket: MemoryBucket, payloadBytesMax: number) {
    this.#link = link;
    this.#bucket = bucket;
    this.#payloadBytesMax = payloadBytesMax;
  }

  async get(key: string): Promise<KvRead> {
    checkKey(key);
    const result = await this.#link.call('key-value', key, limits.kvTimeoutMs, () => this.#bucket.get(key));
    return typeof result === 'string' ? { kind: 'unavailable', cause: new Error(result) } : result;
  }

  create(key: string, value: Uint8Array): Promise<KvWrite> {
    const copy = value.slice();
    return this.#write(key, copy.length, () => this.#bucket.create(key, copy));
  }

  update(key: string, value: Uint8Array, revision: number): Promise<KvWrite> {
    assert(revision > 0, 'key-value/update-names-a-revision', { key, revision });
    const copy = value.slice();
    return this.#write(key, copy.length, () => this.#bucket.update(key, copy, revision));
  }

  put(key: string, value: Uint8Array): Promise<KvWrite> {
    const copy = value.slice();
    return this.#write(key, copy.length, () => this.#bucket.write(key, copy));
  }

  delete(key: string): Promise<KvWrite> {
    return this.#write(key, 0, () => this.#bucket.write(key, undefined));
  }

  async entries(filter: string): Promise<readonly KvEntry[]> {
    checkFilter(filter);
    const result = await this.#link.call('key-value', filter, limits.kvTimeoutMs, () => this.#bucket.changes(filter));
    if (typeof result === 'string') throw new Error(`key-value entries: ${result}`);
    return result.flatMap((change) => (change.kind === 'put' ? [change.entry] : []));
  }

  watch(filter: string, handler: (change: KvChange) => void): { readonly ready: Promise<void>; stop(): void } {
    checkFilter(filter);
    let markReady = (): void => {};
    const ready = new Promise<void>((resolve) => {
      markReady = resolve;
    });
    const watch = new MemoryWatch(this.#link, this.#bucket, filter, handler, markReady);
    return { ready, stop: () => watch.stop() };
  }

  async #write(key: string, bytes: number, run: () => KvWrite): Promise<KvWrite> {
    checkKey(key);
    if (bytes > this.#payloadBytesMax) throw new BrokerLimitError(key, bytes, this.#payloadBytesMax);
    const result = await this.#link.call('key-value', key, limits.kvTimeoutMs, run);
    return typeof result === 'string' ? { kind: 'unknown', cause: new Error(result) } : result;
  }
}

/** Set up again after each reconnect, which replays the present entries. */
class MemoryWatch {
  readonly #link: MemoryLink;
  readonly #bucket: MemoryBucket;
  readonly #filter: string;
  readonly #handler: (change: KvChange) => void;
  readonly #markReady: () => void;
  readonly #stopFollowing: () => void;
  #stopAtServer: () => void = () => {};
  #stopped = false;

  constructor(
    link: MemoryLink,
    bucket: MemoryBucket,
    filter: string,
    handler: (change: KvChange) => void,
    markReady: () => void,
  ) {
    this.#link = link;
    this.#bucket = bucket;
    this.#filter = filter;
    this.#handler = handler;
    this.#markReady = markReady;
    this.#stopFollowing = link.onStatus((status) => {
      this.#stopAtServer();
      if (status === 'connected') this.#begin();
    });
    this.#begin();
  }

  stop(): void {
    this.#stopped = true;
    this.#stopFollowing();
    this.#stopAtServer();
  }

  #begin(): void {
    this.#link.toServer('key-value', this.#filter, () => {
      if (this.#stopped) return;
      for (const change of this.#bucket.changes(this.#filter)) this.#send(change);
      this.#link.toClient('key-value', this.#filter, this.#markReady);
      this.#stopAtServer = this.#bucket.watch(this.#filter, (change) => this.#send(change));
    });
  }

  #send(change: KvChange): void {
    this.#link.toClient('key-value', this.#filter, () => {
      if (!this.#stopped) this.#handler(change);
    });
  }
}
