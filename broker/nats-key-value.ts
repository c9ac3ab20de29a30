/**
 * One bucket in JetStream's key-value form. Cold path: the stock client's calls. Reads go through the stream's leader
 * (buckets are made without direct access), so a read after an acknowledged write sees it.
 */
import { type JetStreamClient, JetStreamApiError } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { headers } from '@nats-io/transport-node';
import { assert } from '../platform/assert.ts';
import type { Clock } from '../platform/clock.ts';
import { BrokerLimitError, type KeyValue, type KvChange, type KvEntry, type KvRead, type KvWrite } from './broker.ts';
import { checkFilter, checkKey } from './key-shape.ts';
import type { NatsLink } from './nats-link.ts';
import { NatsWatch, type NatsWatchParts, readPresent } from './nats-watch.ts';

const WRONG_LAST_SEQUENCE = 10071;
export interface NatsKeyValueParts {
  readonly link: NatsLink;
  readonly jetstream: JetStreamClient;
  readonly inboxPrefix: string;
  readonly clock: Clock;
  readonly payloadBytesMax: number;
}

export class NatsKeyValue implements KeyValue {
  readonly #parts: NatsKeyValueParts;
  readonly #link: NatsLink;
  readonly #jetstream: JetStreamClient;
  readonly #bucket: string;
  readonly #opened: Promise<KV>;

  constructor(parts: NatsKeyValueParts, bucket: string) {
    this.#parts = parts;
    this.#link = parts.link;
    this.#jetstream = parts.jetstream;
    this.#bucket = bucket;
    // Without a round trip: a bucket that does not exist shows at the first use.
    this.#opened = new Kvm(parts.jetstream).open(bucket, { allow_direct: false });
  }

  async get(key: string): Promise<KvRead> {
    checkKey(key);
    try {
      const entry = await this.#link.unlessLost(async () => (await this.#opened).get(key));
      if (entry === null || entry.operation !== 'PUT') return { kind: 'absent' };
      return { kind: 'found', entry: { key, value: entry.value, revision: entry.revision } };
    } catch (cause) {
      return { kind: 'unavailable', cause };
    }
  }

  create(key: string, value: Uint8Array): Promise<KvWrite> {
    return this.#write(key, value, (bucket) => bucket.create(key, value));
  }

  update(key: string, value: Uint8Array, revision: number): Promise<KvWrite> {
    // Revision 0 means absent to the server; a key that was never written is created, not updated.
    assert(revision > 0, 'key-value/update-names-a-revision', { key, revision });
    return this.#write(key, value, (bucket) => bucket.update(key, value, revision));
  }

  put(key: string, value: Uint8Array): Promise<KvWrite> {
    return this.#write(key, value, (bucket) => bucket.put(key, value));
  }

  delete(key: string): Promise<KvWrite> {
    const nothing = new Uint8Array(0);
    return this.#write(key, nothing, async () => {
      const mark = headers();
      mark.set('KV-Operation', 'DEL');
      // The stock delete does not tell the revision.
      return (await this.#jetstream.publish(`$KV.${this.#bucket}.${key}`, nothing, { headers: mark })).seq;
    });
  }

  async entries(filter: string): Promise<readonly KvEntry[]> {
    const changes = await this.#link.unlessLost(() => readPresent(this.#watchParts(filter)));
    return changes.flatMap((change) => (change.kind === 'put' ? [change.entry] : []));
  }

  watch(filter: string, handler: (change: KvChange) => void): { readonly ready: Promise<void>; stop(): void } {
    return new NatsWatch(this.#watchParts(filter), handler);
  }

  async #write(key: string, value: Uint8Array, run: (bucket: KV) => Promise<number>): Promise<KvWrite> {
    checkKey(key);
    const { payloadBytesMax } = this.#parts;
    if (value.length > payloadBytesMax) throw new BrokerLimitError(key, value.length, payloadBytesMax);
    try {
      const revision = await this.#link.unlessLost(async () => run(await this.#opened));
      return { kind: 'written', revision };
    } catch (cause) {
      const refused = cause instanceof JetStreamApiError && cause.code === WRONG_LAST_SEQUENCE;
      return refused ? { kind: 'conflict' } : { kind: 'unknown', cause };
    }
  }

  #watchParts(filter: string): NatsWatchParts {
    checkFilter(filter);
    return { ...this.#parts, bucket: this.#bucket, filter };
  }
}
