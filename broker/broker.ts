/**
 * The broker contract: what Belfry needs of a message broker with a log. nats-broker.ts implements it on NATS and
 * JetStream, memory-broker.ts deterministically in memory; test/conformance runs one suite over both.
 *
 * Delivery, ordering, limits:
 * K1  Messaging is at most once. Messages published on one lane arrive at one subscriber lane in publish order, across
 *     subjects. A message published while disconnected is lost or delivered later; nobody is told.
 * K2  A message to a subject without any subscriber is answered at once with `noResponders` if it has a reply subject.
 * K3  One queue group on one subject: each message goes to exactly one member.
 * K4  After `flush()` gave true, the server has seen every earlier publish, subscribe and unsubscribe of that lane.
 * K5  `drain()` loses nothing: what the server had already sent is handled before it resolves; nothing comes after.
 * K6  RecordStore.append is atomic compare-and-set on the last sequence of one subject: of two appends with the same
 *     expectation, at most one is ever stored. `unknown` says nothing: the record may be stored later, or never.
 * K7  KeyValue writes are CAS on the key's revision; revisions rise over the whole bucket. `watch` is a hint: it may be
 *     late, and it may go deaf; who needs to be sure reads.
 * K8  Handlers are called synchronously, one at a time, and must not throw; payloads are only valid during the call
 *     unless the handler copies them. An implementation keeps no unbounded queue in front of a handler.
 * K9  Payloads over `payloadBytesMax` are refused by a thrown BrokerLimitError before anything is sent.
 */

/** What a subscriber gets. `noResponders` marks the server's own answer that nobody listens; data is then empty. */
export interface BrokerMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply: string | undefined;
  readonly noResponders: boolean;
}

export interface Subscription {
  /** Stops at once; messages already on their way are discarded. */
  unsubscribe(): void;
  /** Stops without loss (K5). */
  drain(): Promise<void>;
}

export type LaneStatus = 'connected' | 'disconnected' | 'closed';

/** Which connection, as the server knows it: needed to close it from outside. */
export interface ConnectionRef {
  readonly server: string;
  readonly client: number;
}

/** One connection's publish and subscribe. */
export interface Messaging {
  /** Fire and forget (K1). While disconnected it is dropped, not buffered. @throws BrokerLimitError (K9) */
  publish(subject: string, data: Uint8Array, reply?: string): void;
  subscribe(
    subject: string,
    handler: (message: BrokerMessage) => void,
    options?: { readonly queue?: string },
  ): Subscription;
  /** A round trip to the server (K4). False after `timeoutMs` or when disconnected; never rejects. */
  flush(timeoutMs: number): Promise<boolean>;
  /** One request, one reply; for the cold paths. Never rejects. */
  request(subject: string, data: Uint8Array, timeoutMs: number): Promise<RequestOutcome>;
  status(): LaneStatus;
  /** Called at each change of status; returns the way to stop. A reconnect shows as disconnected, then connected. */
  onStatus(listener: (status: LaneStatus) => void): () => void;
  /** Undefined while disconnected. */
  connection(): ConnectionRef | undefined;
}

export type RequestOutcome =
  | { readonly kind: 'reply'; readonly data: Uint8Array }
  | { readonly kind: 'no-responders' }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'unavailable'; readonly cause: unknown };

export interface KvEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
}
export type KvRead =
  | { readonly kind: 'found'; readonly entry: KvEntry }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unavailable'; readonly cause: unknown };
/** `unknown`: it may have been written; read to find out. */
export type KvWrite =
  | { readonly kind: 'written'; readonly revision: number }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'unknown'; readonly cause: unknown };
export type KvChange =
  | { readonly kind: 'put'; readonly entry: KvEntry }
  | { readonly kind: 'delete'; readonly key: string; readonly revision: number };

/** One bucket. Keys: [A-Za-z0-9_.-]+, dots separate tokens; filters may use `*` and a trailing `>`. */
export interface KeyValue {
  /** The newest value, read through the leader. */
  get(key: string): Promise<KvRead>;
  /** Writes only if the key is absent or deleted. */
  create(key: string, value: Uint8Array): Promise<KvWrite>;
  /** Writes only if the key's revision is `revision`. */
  update(key: string, value: Uint8Array, revision: number): Promise<KvWrite>;
  put(key: string, value: Uint8Array): Promise<KvWrite>;
  delete(key: string): Promise<KvWrite>;
  /** Every present entry that matches. Rejects with the cause when the broker is not to be had. */
  entries(filter: string): Promise<readonly KvEntry[]>;
  /**
   * Hints (K7): the present entries first (deleted keys may show as deletions), then changes; `ready` resolves after
   * the present ones.
   * The implementation re-establishes the watch by itself after a reconnect and then replays present entries.
   */
  watch(filter: string, handler: (change: KvChange) => void): { readonly ready: Promise<void>; stop(): void };
}

export type AppendAttempt =
  | { readonly kind: 'stored'; readonly sequence: number }
  /** The expectation was wrong: another record stands last (or ours does, from an earlier attempt). */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'unknown'; readonly reason: string };

export interface StoredRecord {
  readonly sequence: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** The `expected` it was appended with: the sequence of the record before it on its subject (0: none). */
  readonly previous: number;
}
export type RecordRead =
  | { readonly kind: 'found'; readonly record: StoredRecord }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unavailable'; readonly cause: unknown };

/** Append-only subjects inside streams, compared and set (K6). Appends and reads use connections of their own. */
export interface RecordStore {
  /**
   * One attempt to store `data` as the record after `expected` (0: the first) on `subject`. Never rejects.
   * Settles within `timeoutMs`. Many may be in flight at once, on different subjects.
   */
  append(subject: string, data: Uint8Array, expected: number, timeoutMs: number): Promise<AppendAttempt>;
  /** The newest record on `subject`. May be behind an append that is not yet acknowledged, never behind an acknowledged one. */
  last(stream: string, subject: string): Promise<RecordRead>;
  /** The record at `sequence` of `stream`. */
  at(stream: string, sequence: number): Promise<RecordRead>;
}

/** The lanes of one process. Losing one lane's connection is treated as losing all (onStatus says so on every lane). */
export interface Broker {
  /** Commands, replies, batches: the hot lane. */
  readonly commands: Messaging;
  /** Heartbeats, hand-off, table hints. */
  readonly control: Messaging;
  readonly records: RecordStore;
  kv(bucket: string): KeyValue;
  readonly payloadBytesMax: number;
  /** Connections open now, of all lanes: what an eviction has to close. */
  connections(): readonly ConnectionRef[];
  /** What the broker itself is, for start-up checks and status pages. */
  server(): { readonly name: string; readonly version: string };
  close(): Promise<void>;
}

export interface ConnectionList {
  readonly connections: readonly ConnectionRef[];
  /** Every server of the cluster answered, and in full: who is not on the list is not connected. */
  readonly isComplete: boolean;
}

/** What the broker's system account tells and does; absent where no such credentials were given. */
export interface BrokerSystem {
  /** A client's connection ended. `clientName` is what it called itself. */
  onDisconnect(
    listener: (event: { readonly clientName: string; readonly connection: ConnectionRef }) => void,
  ): () => void;
  /** Closes a client's connection from the server's side; works on frozen clients. True if the server took it. */
  kick(connection: ConnectionRef, timeoutMs: number): Promise<boolean>;
  /** Open connections whose client name starts with `prefix`, of all servers that answer within `timeoutMs`. */
  connectionsOf(prefix: string, timeoutMs: number): Promise<ConnectionList>;
  close(): Promise<void>;
}

/** How a process names its connections, so that the system account's events can be told apart: `belfry.<incarnation>.<lane>`. */
export function clientName(incarnation: string, lane: string): string {
  return `belfry.${incarnation}.${lane}`;
}

export class BrokerLimitError extends Error {
  constructor(subject: string, bytes: number, bytesMax: number) {
    super(`payload of ${bytes} bytes on ${subject}: at most ${bytesMax}`);
    this.name = 'BrokerLimitError';
  }
}

/** The broker cannot serve us: absent, too old, refused our credentials, or not initialised. Shown to the operator as one line. */
export class BrokerUnusableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'BrokerUnusableError';
  }
}
