/**
 * The broker contract in memory: a hub stands for the server, its clients for processes. For tests, and for the
 * deterministic simulation: time comes from a Clock, choices from an Rng, faults from a hook and from the hub's methods.
 *
 * Without latency and faults everything is delivered in microtasks, in order. The vocabulary of faults:
 * a hop dropped, delayed or duplicated (options.fate: a lost append, a lost acknowledgement); a connection cut (it comes
 * back by itself); a client held (frozen, or partitioned: nobody notices by itself); crashed; the server stopped.
 */
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { type Rng, SeededRng } from '../platform/rng.ts';
import {
  type AppendAttempt,
  type Broker,
  BrokerLimitError,
  type BrokerSystem,
  clientName,
  type ConnectionRef,
  type KeyValue,
  type LaneStatus,
  type Messaging,
  type RecordRead,
  type RecordStore,
} from './broker.ts';
import { type ClusterLayout, writeLayout } from './layout.ts';
import { LinkGroup } from './link-group.ts';
import { MemoryKeyValue } from './memory-key-value.ts';
import { MemoryLane } from './memory-lane.ts';
import { MemoryLink, type MemoryServer } from './memory-link.ts';
import type { MemoryFate, MemoryHop, MemoryNetwork } from './memory-pipe.ts';
import { MemoryRouter } from './memory-router.ts';
import { MemoryBucket, MemoryStreams } from './memory-store.ts';
import { BUCKET_CLUSTER, SNAPSHOT_STREAM, subjects } from './subjects.ts';

export interface MemoryHubOptions {
  readonly clock: Clock;
  /** Picks members of queue groups. Absent: seeded with 1. */
  readonly rng?: Rng;
  /** Of one hop between a client and the server. Absent: 0, which needs no timer. */
  readonly latencyMs?: (hop: MemoryHop) => number;
  /** Absent: everything passes. */
  readonly fate?: (hop: MemoryHop) => MemoryFate;
}

const SERVER = { name: 'memory', version: '0.0.0' } as const;
const LANES = ['commands', 'control', 'append', 'read'] as const;
type Lane = (typeof LANES)[number];
type DisconnectListener = (event: { readonly clientName: string; readonly connection: ConnectionRef }) => void;

export class MemoryBrokerHub {
  /** What is stored: for tests that look behind the contract. */
  readonly streams = new MemoryStreams();
  readonly #network: MemoryNetwork;
  readonly #router: MemoryRouter;
  readonly #buckets = new Map<string, MemoryBucket>();
  readonly #links = new Set<MemoryLink>();
  readonly #listeners = new Set<DisconnectListener>();
  readonly #server: MemoryServer;
  #lastClient = 0;
  #up = true;

  constructor(options: MemoryHubOptions) {
    const { clock, latencyMs = () => 0, fate = () => 'pass' as const } = options;
    this.#network = { clock, latencyMs, fate };
    this.#router = new MemoryRouter(options.rng ?? new SeededRng(1));
    const isUp = (): boolean => this.#up;
    this.#server = {
      get up() {
        return isUp();
      },
      accept: () => {
        this.#lastClient += 1;
        return this.#lastClient;
      },
      gone: (link) => this.#gone(link),
    };
  }

  /** What `belfry init` makes on NATS. */
  async provision(layout: ClusterLayout): Promise<void> {
    for (let partition = 0; partition < layout.partitions; partition += 1) {
      this.streams.add(subjects.logStreamOf(partition), subjects.logSubjectsOf(partition));
    }
    this.streams.add(SNAPSHOT_STREAM, subjects.snapshots, true);
    const broker = this.connect('provision');
    await writeLayout(broker.kv(BUCKET_CLUSTER), layout);
    await broker.close();
  }

  connect(incarnation: string): Broker {
    const links = LANES.map((lane) => new MemoryLink(this.#network, this.#server, incarnation, lane));
    for (const link of links) this.#links.add(link);
    return new MemoryBroker(links, this.#router, this.#network.clock, this.streams, (name) => this.#bucket(name));
  }

  system(): BrokerSystem {
    return {
      onDisconnect: (listener) => {
        this.#listeners.add(listener);
        return () => void this.#listeners.delete(listener);
      },
      kick: async ({ client }) => {
        const link = [...this.#links].find((candidate) => candidate.open && candidate.client === client);
        link?.cut();
        return link !== undefined;
      },
      connectionsOf: async (prefix) => {
        const isTheirs = (link: MemoryLink) => clientName(link.incarnation, link.lane).startsWith(prefix);
        const connections = [...this.#links].filter((link) => link.open && isTheirs(link)).map(refOf);
        return { connections, isComplete: true };
      },
      close: async () => {},
    };
  }

  /** The server closes the client's connections, or one of them; they come back after natsReconnectWaitMs. */
  cut(incarnation: string, lane?: Lane): void {
    for (const link of this.#of(incarnation)) if (lane === undefined || link.lane === lane) link.cut();
  }

  hold(incarnation: string): void {
    for (const link of this.#of(incarnation)) link.hold();
  }

  release(incarnation: string): void {
    for (const link of this.#of(incarnation)) link.release();
  }

  crash(incarnation: string): void {
    for (const link of this.#of(incarnation)) link.crash();
  }

  /** All connections are lost; what is stored stays. */
  stop(): void {
    this.#up = false;
    for (const link of [...this.#links]) link.cut();
  }

  start(): void {
    this.#up = true;
  }

  #of(incarnation: string): MemoryLink[] {
    return [...this.#links].filter((link) => link.incarnation === incarnation);
  }

  #bucket(name: string): MemoryBucket {
    const bucket = this.#buckets.get(name) ?? new MemoryBucket();
    this.#buckets.set(name, bucket);
    return bucket;
  }

  #gone(link: MemoryLink): void {
    this.#router.removeAllOf(link);
    const event = { clientName: clientName(link.incarnation, link.lane), connection: refOf(link) };
    queueMicrotask(() => {
      if (link.status() === 'closed') this.#links.delete(link);
      for (const listener of [...this.#listeners]) listener(event);
    });
  }
}

class MemoryBroker implements Broker {
  readonly commands: Messaging;
  readonly control: Messaging;
  readonly records: RecordStore;
  readonly payloadBytesMax = limits.natsPayloadBytesMax - limits.natsHeaderBytesMax;
  readonly #links: readonly MemoryLink[];
  readonly #bucket: (name: string) => MemoryBucket;
  readonly #keyValues = new Map<string, KeyValue>();

  constructor(
    links: readonly MemoryLink[],
    router: MemoryRouter,
    clock: Clock,
    streams: MemoryStreams,
    bucket: (name: string) => MemoryBucket,
  ) {
    const group = new LinkGroup(links);
    const shared = {
      router,
      clock,
      payloadBytesMax: this.payloadBytesMax,
      server: SERVER.name,
      status: (): LaneStatus => group.status(),
      onStatus: (listener: (status: LaneStatus) => void) => group.onStatus(listener),
    };
    this.#links = links;
    this.#bucket = bucket;
    this.commands = new MemoryLane({ ...shared, link: this.#link('commands') });
    this.control = new MemoryLane({ ...shared, link: this.#link('control') });
    this.records = new MemoryRecordStore(this.#link('append'), this.#link('read'), streams, this.payloadBytesMax);
  }

  kv(bucket: string): KeyValue {
    const made =
      this.#keyValues.get(bucket) ??
      new MemoryKeyValue(this.#link('control'), this.#bucket(bucket), this.payloadBytesMax);
    this.#keyValues.set(bucket, made);
    return made;
  }

  connections(): readonly ConnectionRef[] {
    return this.#links.filter((link) => link.connected).map(refOf);
  }

  server(): { readonly name: string; readonly version: string } {
    return SERVER;
  }

  async close(): Promise<void> {
    const sent = this.#links.map((link) => link.call('control', '', limits.brokerCloseFlushMs, () => ({})));
    await Promise.all(sent);
    for (const link of this.#links) link.close();
  }

  #link(lane: Lane): MemoryLink {
    return this.#links[LANES.indexOf(lane)] as MemoryLink;
  }
}

class MemoryRecordStore implements RecordStore {
  readonly #appends: MemoryLink;
  readonly #reads: MemoryLink;
  readonly #streams: MemoryStreams;
  readonly #payloadBytesMax: number;

  constructor(appends: MemoryLink, reads: MemoryLink, streams: MemoryStreams, payloadBytesMax: number) {
    this.#appends = appends;
    this.#reads = reads;
    this.#streams = streams;
    this.#payloadBytesMax = payloadBytesMax;
  }

  async append(subject: string, data: Uint8Array, expected: number, timeoutMs: number): Promise<AppendAttempt> {
    if (data.length > this.#payloadBytesMax) throw new BrokerLimitError(subject, data.length, this.#payloadBytesMax);
    const copy = data.slice();
    const store = (): AppendAttempt => this.#streams.append(subject, copy, expected);
    const result = await this.#appends.call('append', subject, timeoutMs, store);
    return typeof result === 'string' ? { kind: 'unknown', reason: result } : result;
  }

  last(stream: string, subject: string): Promise<RecordRead> {
    return this.#read(subject, () => this.#streams.last(stream, subject));
  }

  at(stream: string, sequence: number): Promise<RecordRead> {
    return this.#read(stream, () => this.#streams.at(stream, sequence));
  }

  async #read(subject: string, run: () => RecordRead): Promise<RecordRead> {
    const result = await this.#reads.call('read', subject, limits.logReadTimeoutMs, run);
    return typeof result === 'string' ? { kind: 'unavailable', cause: new Error(result) } : result;
  }
}

function refOf(link: MemoryLink): ConnectionRef {
  return { server: SERVER.name, client: link.client };
}
