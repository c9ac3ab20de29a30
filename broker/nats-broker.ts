/**
 * The broker contract on NATS and JetStream: one connection per lane, so that a burst of appends or a long read delays
 * neither commands nor heartbeats.
 *
 * commands, control: messaging. append, append-more: log appends and their acknowledgements, the second one only under
 * load. read: the log's reads. Key-value buckets use the control connection. Processes without a log (webapp, gateway)
 * open the first two only.
 */
import { jetstream } from '@nats-io/jetstream';
import { defined } from '../platform/assert.ts';
import { type Clock, systemClock } from '../platform/clock.ts';
import type { DurationTimer } from '../platform/duration-histogram.ts';
import { limits } from '../platform/limits.ts';
import { type Logger, silentLogger } from '../platform/logger.ts';
import type { Broker, ConnectionRef, KeyValue, Messaging, RecordStore } from './broker.ts';
import { readLayout } from './layout.ts';
import { LinkGroup } from './link-group.ts';
import { dial, inboxPrefixOf, type NatsAccess, serverOf } from './nats-dial.ts';
import { NatsKeyValue, type NatsKeyValueParts } from './nats-key-value.ts';
import { NatsLane } from './nats-lane.ts';
import { NatsLink } from './nats-link.ts';
import { NatsRecordStore } from './nats-record-store.ts';
import { ReplyMux } from './reply-mux.ts';
import { BUCKET_CLUSTER } from './subjects.ts';

export interface NatsOptions extends NatsAccess {
  /** Replicas of the log's streams; decides how the newest record is read. Absent: as the cluster's layout says. */
  readonly replicas?: number;
  /** False: no connections for the log; touching `records` is then a bug. Absent: true. */
  readonly records?: boolean;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** By lane: how long the first message of each write was made to wait for it. */
  readonly sendWaits?: ReadonlyMap<string, DurationTimer>;
}

/** @throws BrokerUnusableError */
export async function connectNats(options: NatsOptions): Promise<Broker> {
  const logger = options.logger ?? silentLogger;
  const onError = (lane: string, error: Error): void => logger.warn('nats_error', { lane, error });
  const clock = options.clock ?? systemClock;
  const lanes = options.records === false ? messagingLanes : [...messagingLanes, ...recordLanes];
  const links: NatsLink[] = [];
  try {
    for (const lane of lanes) {
      const connection = await dial(options, lane);
      links.push(new NatsLink({ lane, connection, clock, onError, waits: options.sendWaits?.get(lane) }));
    }
    return assemble(options, links, await replicasOf(options, links));
  } catch (error) {
    await Promise.all(links.map((link) => link.connection.close()));
    throw error;
  }
}

async function replicasOf(options: NatsOptions, links: readonly NatsLink[]): Promise<number> {
  if (options.records === false) return 1;
  if (options.replicas !== undefined) return options.replicas;
  const { replicas } = await readLayout(new NatsKeyValue(keyValueParts(options, links), BUCKET_CLUSTER));
  return replicas;
}

function assemble(options: NatsOptions, links: readonly NatsLink[], replicas: number): Broker {
  const group = new LinkGroup(links);
  const keyValue = keyValueParts(options, links);
  const { clock, payloadBytesMax } = keyValue;
  const muxes = links.map((link) => new ReplyMux(link, clock, inboxPrefixOf(options)));
  const lane = (at: number): Messaging =>
    new NatsLane({ link: inLane(links, at), mux: inLane(muxes, at), group, clock, payloadBytesMax });
  const parts = { links, muxes, keyValue, commands: lane(0), control: lane(CONTROL) };
  if (options.records === false) return new NatsBroker({ ...parts, records: undefined });
  const reads = inLane(muxes, READ);
  const appends = [inLane(muxes, APPEND), inLane(muxes, APPEND_MORE)] as const;
  return new NatsBroker({ ...parts, records: new NatsRecordStore({ appends, reads, replicas, payloadBytesMax }) });
}

function keyValueParts(options: NatsOptions, links: readonly NatsLink[]): NatsKeyValueParts {
  const link = inLane(links, CONTROL);
  return {
    link,
    jetstream: jetstream(link.connection, { timeout: limits.kvTimeoutMs }),
    inboxPrefix: inboxPrefixOf(options),
    clock: options.clock ?? systemClock,
    payloadBytesMax: serverOf(link.connection).max_payload - limits.natsHeaderBytesMax,
  };
}

/** The lanes, each at the same place in every list of this file. */
const messagingLanes = ['commands', 'control'];
const recordLanes = ['append', 'read', 'append-more'];
const CONTROL = 1;
const APPEND = 2;
const READ = 3;
const APPEND_MORE = 4;

function inLane<T>(list: readonly T[], lane: number): T {
  return defined(list[lane], 'nats-broker/lane-exists', { lane });
}

interface NatsBrokerParts {
  readonly links: readonly NatsLink[];
  readonly muxes: readonly ReplyMux[];
  readonly commands: Messaging;
  readonly control: Messaging;
  readonly records: RecordStore | undefined;
  readonly keyValue: NatsKeyValueParts;
}

class NatsBroker implements Broker {
  readonly commands: Messaging;
  readonly control: Messaging;
  readonly payloadBytesMax: number;
  readonly #parts: NatsBrokerParts;
  readonly #buckets = new Map<string, KeyValue>();
  readonly #server: { readonly name: string; readonly version: string };

  constructor(parts: NatsBrokerParts) {
    this.#parts = parts;
    this.commands = parts.commands;
    this.control = parts.control;
    this.payloadBytesMax = parts.keyValue.payloadBytesMax;
    const info = serverOf(parts.keyValue.link.connection);
    this.#server = { name: info.server_name, version: info.version };
  }

  get records(): RecordStore {
    return defined(this.#parts.records, 'nats-broker/records-asked-of-a-process-without-them');
  }

  kv(bucket: string): KeyValue {
    const present = this.#buckets.get(bucket);
    if (present !== undefined) return present;
    const made = new NatsKeyValue(this.#parts.keyValue, bucket);
    this.#buckets.set(bucket, made);
    return made;
  }

  connections(): readonly ConnectionRef[] {
    return this.#parts.links.flatMap((link) => link.ref() ?? []);
  }

  server(): { readonly name: string; readonly version: string } {
    return this.#server;
  }

  async close(): Promise<void> {
    const { links, muxes } = this.#parts;
    const late = new AbortController();
    const overdue = this.#parts.keyValue.clock.sleep(limits.brokerCloseFlushMs, late.signal);
    for (const link of links) link.sendOutgoing();
    const flushed = Promise.allSettled(links.map((link) => link.unlessLost(() => link.connection.flush())));
    await Promise.race([flushed, overdue]);
    late.abort();
    for (const mux of muxes) mux.stop();
    await Promise.all(links.map((link) => link.connection.close()));
  }
}
