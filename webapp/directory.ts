/**
 * The directory: the team's users, bots, apps and named channels, in the broker's key-value buckets, with an index in
 * memory that a watch keeps warm.
 *
 * Invariants:
 * D1  Names are unique by reservation: the reservation is written first (compare-and-set), the record last. A record
 *     that is there is complete; a reservation without one is finished by whoever asks for the same again.
 * D2  A process reads its own writes. Others' writes show at once in look-ups (a miss reads the bucket), in lists when
 *     the watch brings them.
 * D3  Tokens are in token-store.ts; nothing secret is in this bucket.
 */
import type { Broker, KvChange } from '../broker/broker.ts';
import { BUCKET_DIRECTORY } from '../broker/subjects.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/logger.ts';
import type { Rng } from '../platform/rng.ts';
import type { BotId, ChannelId, UserId } from '../protocol/ids.ts';
import { DirectoryIndex } from './directory-index.ts';
import {
  decodeApp,
  decodeBot,
  decodeChannel,
  decodeReservation,
  decodeUser,
  decodeUserReference,
  keys,
  type AppRecord,
  type BotRecord,
  type ChannelRecord,
  type ChannelReservation,
  type UserRecord,
} from './directory-records.ts';
import { RecordBucket, UNAVAILABLE, type Change, type Creation, type Lookup } from './record-bucket.ts';
import { createTokenStore, type TokenStore } from './token-store.ts';

export interface DirectoryOptions {
  readonly broker: Pick<Broker, 'kv' | 'control'>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
}

export interface Directory {
  /** Resolves when the index holds what the bucket held at the start. */
  readonly ready: Promise<void>;
  readonly tokens: TokenStore;
  readonly users: DirectoryIndex<UserRecord>;
  readonly channels: DirectoryIndex<ChannelRecord>;
  /** The bucket itself, for what is created in several steps (workspace.ts). */
  readonly bucket: RecordBucket;
  readonly clock: Clock;
  readonly rng: Rng;
  user(id: UserId): Promise<Lookup<UserRecord>>;
  userByEmail(email: string): Promise<Lookup<UserRecord>>;
  bot(id: BotId): Promise<Lookup<BotRecord>>;
  channel(id: ChannelId): Promise<Lookup<ChannelRecord>>;
  channelByName(name: string): Promise<Lookup<ChannelRecord>>;
  /** The first to ask for a name gets it; others learn who holds it. */
  reserveChannel(reservation: ChannelReservation): Promise<Creation<ChannelReservation>>;
  /** Makes an opened channel visible. A repeat is harmless. */
  publishChannel(record: ChannelRecord): Promise<Creation<ChannelRecord>>;
  setArchived(id: ChannelId, archived: boolean): Promise<Change<ChannelRecord>>;
  addUser(record: UserRecord): Promise<Creation<UserRecord>>;
  addBot(record: BotRecord): Promise<Creation<BotRecord>>;
  addApp(record: AppRecord): Promise<Creation<AppRecord>>;
  stop(): void;
}

export function createDirectory(options: DirectoryOptions): Directory {
  return new BrokerDirectory(options);
}

class BrokerDirectory implements Directory {
  readonly ready: Promise<void>;
  readonly tokens: TokenStore;
  readonly users = new DirectoryIndex<UserRecord>();
  readonly bots = new DirectoryIndex<BotRecord>();
  readonly channels = new DirectoryIndex<ChannelRecord>();
  readonly bucket: RecordBucket;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly #channelNames = new Map<string, ChannelId>();
  readonly #stop: () => void;

  constructor({ broker, clock, rng, logger }: DirectoryOptions) {
    const kv = broker.kv(BUCKET_DIRECTORY);
    this.clock = clock;
    this.rng = rng;
    this.bucket = new RecordBucket(kv);
    this.tokens = createTokenStore({ broker, clock, rng, logger });
    const watch = kv.watch('>', (change) => this.#onChange(change));
    this.ready = watch.ready;
    this.#stop = () => watch.stop();
  }

  async user(id: UserId): Promise<Lookup<UserRecord>> {
    return known(this.users.get(id)) ?? this.#fetch(this.users, keys.user(id), decodeUser);
  }

  async userByEmail(email: string): Promise<Lookup<UserRecord>> {
    const reference = await this.bucket.read(keys.email(email), decodeUserReference);
    return reference.kind === 'found' ? this.user(reference.value.id) : reference;
  }

  async bot(id: BotId): Promise<Lookup<BotRecord>> {
    return known(this.bots.get(id)) ?? this.#fetch(this.bots, keys.bot(id), decodeBot);
  }

  async channel(id: ChannelId): Promise<Lookup<ChannelRecord>> {
    const found = known(this.channels.get(id)) ?? (await this.#fetch(this.channels, keys.channel(id), decodeChannel));
    if (found.kind === 'found') this.#remember(found.value);
    return found;
  }

  async channelByName(name: string): Promise<Lookup<ChannelRecord>> {
    const id = this.#channelNames.get(name);
    if (id !== undefined) return this.channel(id);
    const reservation = await this.bucket.read(keys.channelName(name), decodeReservation);
    return reservation.kind === 'found' ? this.channel(reservation.value.id) : reservation;
  }

  async reserveChannel(reservation: ChannelReservation): Promise<Creation<ChannelReservation>> {
    return this.bucket.create(keys.channelName(reservation.name), reservation, decodeReservation);
  }

  async publishChannel(record: ChannelRecord): Promise<Creation<ChannelRecord>> {
    const created = await this.#add(this.channels, keys.channel(record.id), record, decodeChannel);
    if (created.kind !== 'unavailable') this.#remember(record);
    return created;
  }

  async setArchived(id: ChannelId, archived: boolean): Promise<Change<ChannelRecord>> {
    const change = await this.bucket.change(keys.channel(id), decodeChannel, (record) =>
      record.archived === archived ? undefined : { ...record, archived },
    );
    if (change.kind === 'changed' || change.kind === 'same') this.channels.apply(change.value, change.revision);
    return change;
  }

  addUser(record: UserRecord): Promise<Creation<UserRecord>> {
    return this.#add(this.users, keys.user(record.id), record, decodeUser);
  }

  addBot(record: BotRecord): Promise<Creation<BotRecord>> {
    return this.#add(this.bots, keys.bot(record.id), record, decodeBot);
  }

  addApp(record: AppRecord): Promise<Creation<AppRecord>> {
    return this.bucket.create(keys.app(record.id), record, decodeApp);
  }

  stop(): void {
    this.#stop();
    this.tokens.stop();
  }

  async #fetch<T extends { id: string }>(
    index: DirectoryIndex<T>,
    key: string,
    decode: (bytes: Uint8Array) => T | undefined,
  ): Promise<Lookup<T>> {
    const read = await this.bucket.read(key, decode);
    if (read.kind === 'found') index.apply(read.value, read.revision);
    return read;
  }

  async #add<T extends { id: string }>(
    index: DirectoryIndex<T>,
    key: string,
    record: T,
    decode: (bytes: Uint8Array) => T | undefined,
  ): Promise<Creation<T>> {
    const created = await this.bucket.create(key, record, decode);
    if (created.kind === 'unavailable') return UNAVAILABLE;
    index.apply(created.kind === 'exists' ? created.value : record, created.revision);
    return created;
  }

  #onChange(change: KvChange): void {
    // Records are never deleted; a purge by hand shows after a restart.
    if (change.kind !== 'put') return;
    const { key, value, revision } = change.entry;
    if (key.startsWith('user.')) hint(this.users, decodeUser(value), revision);
    else if (key.startsWith('bot.')) hint(this.bots, decodeBot(value), revision);
    else if (key.startsWith('channel.')) {
      const record = decodeChannel(value);
      hint(this.channels, record, revision);
      if (record !== undefined) this.#remember(record);
    }
  }

  #remember(channel: ChannelRecord): void {
    if (this.channels.get(channel.id) !== undefined) this.#channelNames.set(channel.name, channel.id);
  }
}

function hint<T extends { id: string }>(index: DirectoryIndex<T>, record: T | undefined, revision: number): void {
  if (record !== undefined) index.apply(record, revision);
}

function known<T>(value: T | undefined): Lookup<T> | undefined {
  // The index keeps revisions to itself; nobody changes a record by one that came from memory.
  return value === undefined ? undefined : { kind: 'found', value, revision: 0 };
}
