/**
 * Tokens: who a request speaks for. Stored only as a hash; remembered for a short time; dead at once when revoked.
 *
 * Invariants:
 * T1  A token's text is in no record, log line or cache: everything here is keyed by its SHA-256.
 * T2  A remembered token is at most `tokenCacheAgeMs` old. A revocation removes it here before `revoke` returns, and
 *     elsewhere by a numbered message; a hole in the numbers, or a lost connection, empties the whole cache.
 * T3  A revoked token is never valid again.
 * T4  An app's signing secret is kept as it is, since deliveries are signed with it; it has a bucket of its own, which
 *     gateways, who look tokens up, may not read.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Broker, KeyValue, Messaging } from '../broker/broker.ts';
import { BUCKET_SECRETS, BUCKET_TOKENS, subjects } from '../broker/subjects.ts';
import type { Clock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Logger } from '../platform/logger.ts';
import type { Rng } from '../platform/rng.ts';
import { DecodeError } from '../protocol/errors.ts';
import type { Author } from '../protocol/events.ts';
import type { AppId, BotId, UserId } from '../protocol/ids.ts';
import { decodeRevocation, encodeRevocation } from '../protocol/revocations.ts';
import { decodeObject } from './directory-records.ts';
import { RecordBucket } from './record-bucket.ts';

/** What a token lets its holder do, and as whom. */
export type Grant =
  | { readonly kind: 'user'; readonly user: UserId; readonly unlimited: boolean }
  | {
      readonly kind: 'bot';
      readonly user: UserId;
      readonly bot: { readonly id: BotId; readonly app: AppId; readonly name: string };
      readonly unlimited: boolean;
    }
  | { readonly kind: 'app'; readonly app: AppId; readonly unlimited: boolean }
  | { readonly kind: 'admin'; readonly unlimited: boolean };

export type TokenKind = Grant['kind'];

/** Who makes a request. A member is somebody who can be in channels: a user, or a bot through its user. */
export interface MemberCaller {
  readonly kind: 'user' | 'bot';
  readonly tokenHash: string;
  readonly unlimited: boolean;
  readonly user: UserId;
  readonly author: Author;
}
export interface OtherCaller {
  readonly kind: 'app' | 'admin';
  readonly tokenHash: string;
  readonly unlimited: boolean;
}
export type Caller = MemberCaller | OtherCaller;

export function isMember(caller: Caller): caller is MemberCaller {
  return caller.kind === 'user' || caller.kind === 'bot';
}

export type Authentication =
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'refused'; readonly error: 'invalid_auth' | 'token_revoked' }
  | { readonly kind: 'unavailable' };

export interface TokenStore {
  /** Answers at once for a remembered token. */
  authenticate(token: string): Authentication | Promise<Authentication>;
  /** Stores a new random token for `grant`; undefined when the broker is not to be had. */
  issue(grant: Grant): Promise<string | undefined>;
  /** As `issue`, with a token that was made before; a repeat is harmless. False when the broker is not to be had. */
  install(token: string, grant: Grant): Promise<boolean>;
  revoke(tokenHash: string): Promise<'revoked' | 'absent' | 'unavailable'>;
  /** What an app's deliveries are signed with, made the first time; undefined when the broker is not to be had. */
  signingSecret(app: AppId): Promise<string | undefined>;
  stop(): void;
}

export interface TokenStoreOptions {
  /** News of revocations travels on the control lane. */
  readonly broker: Pick<Broker, 'kv' | 'control'>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: Logger;
}

const PREFIX: Record<TokenKind, string> = { user: 'xoxp-', bot: 'xoxb-', app: 'xapp-', admin: 'xadm-' };
const TOKEN_BYTES = 20;
const SIGNING_SECRET_BYTES = 16;
const TOKEN_SHAPE = /^x(?:oxp|oxb|app|adm)-[\x21-\x7e]{8,250}$/;
const COUNTER = 'revocations';

export function tokenHashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** A new random token; `belfry dev` makes its tokens with it, to keep them over restarts. */
export function makeToken(kind: TokenKind, rng: Rng): string {
  return PREFIX[kind] + Buffer.from(rng.bytes(TOKEN_BYTES)).toString('hex');
}

export function createTokenStore(options: TokenStoreOptions): TokenStore {
  return new CachedTokenStore(options);
}

/**
 * For who holds sessions rather than requests: whether this token's time is over. One that is not there counts as over.
 * Rejects while the broker is away.
 */
export async function isTokenRevoked(tokens: KeyValue, tokenHash: string): Promise<boolean> {
  const found = await new RecordBucket(tokens).read(`token.${tokenHash}`, decodeToken);
  if (found.kind === 'unavailable') throw new Error('the broker does not answer');
  return found.kind === 'absent' || found.value.revoked;
}

type TokenRecord = { readonly grant: Grant; readonly revoked: boolean; readonly created: number };
type Remembered = { readonly authentication: Authentication; readonly untilMs: number };

const INVALID: Authentication = { kind: 'refused', error: 'invalid_auth' };
const REVOKED: Authentication = { kind: 'refused', error: 'token_revoked' };
const UNAVAILABLE: Authentication = { kind: 'unavailable' };

class CachedTokenStore implements TokenStore {
  readonly #tokens: RecordBucket;
  /** T4 */
  readonly #secrets: RecordBucket;
  readonly #news: Messaging;
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #logger: Logger;
  readonly #known = new LRUCache<string, Remembered>({ max: limits.tokenCacheEntriesMax });
  /** Of tokens that are known: hashing one costs more than all else that is done with it. */
  readonly #hashes = new LRUCache<string, string>({ max: limits.tokenCacheEntriesMax });
  readonly #unknown = new LRUCache<string, Remembered>({ max: limits.unknownTokensMax });
  /** Reads under way, so that a burst of one token is one read. At most one per request in progress. */
  readonly #reading = new Map<string, Promise<Authentication>>();
  readonly #stops: (() => void)[];
  /** Raised by every revocation: a read that began before it is not remembered. */
  #generation = 0;
  #lastNumber: number | undefined;

  constructor({ broker, clock, rng, logger }: TokenStoreOptions) {
    const news = broker.control;
    this.#tokens = new RecordBucket(broker.kv(BUCKET_TOKENS));
    this.#secrets = new RecordBucket(broker.kv(BUCKET_SECRETS));
    this.#news = news;
    this.#clock = clock;
    this.#rng = rng;
    this.#logger = logger;
    const subscription = news.subscribe(subjects.news('revoked'), (message) => this.#onNews(message.data));
    // What was published while we were away is lost.
    this.#stops = [() => subscription.unsubscribe(), news.onStatus(() => this.#forgetAll('reconnected'))];
  }

  authenticate(token: string): Authentication | Promise<Authentication> {
    const hash = this.#hashOf(token);
    if (hash === undefined) return INVALID;
    const remembered = this.#known.get(hash) ?? this.#unknown.get(hash);
    if (remembered !== undefined && remembered.untilMs > this.#clock.monotonicMs()) return remembered.authentication;
    return this.#reading.get(hash) ?? this.#read(hash);
  }

  /** Undefined for what cannot be a token. */
  #hashOf(token: string): string | undefined {
    const known = this.#hashes.get(token);
    if (known !== undefined || !TOKEN_SHAPE.test(token)) return known;
    const hash = tokenHashOf(token);
    if (this.#known.has(hash)) this.#hashes.set(token, hash);
    return hash;
  }

  async issue(grant: Grant): Promise<string | undefined> {
    const token = makeToken(grant.kind, this.#rng);
    return (await this.install(token, grant)) ? token : undefined;
  }

  async install(token: string, grant: Grant): Promise<boolean> {
    const hash = tokenHashOf(token);
    const record: TokenRecord = { grant, revoked: false, created: Math.floor(this.#clock.wallMs() / 1_000) };
    const created = await this.#tokens.create(`token.${hash}`, record, decodeToken);
    this.#unknown.delete(hash);
    return created.kind !== 'unavailable';
  }

  async revoke(tokenHash: string): Promise<'revoked' | 'absent' | 'unavailable'> {
    const change = await this.#tokens.change(`token.${tokenHash}`, decodeToken, (record) =>
      record.revoked ? undefined : { ...record, revoked: true },
    );
    if (change.kind === 'absent' || change.kind === 'unavailable') return change.kind;
    this.#forget(tokenHash);
    const number = await this.#nextNumber();
    this.#news.publish(subjects.news('revoked'), encodeRevocation({ number, tokenHash }));
    return 'revoked';
  }

  async signingSecret(app: AppId): Promise<string | undefined> {
    const wanted = { secret: Buffer.from(this.#rng.bytes(SIGNING_SECRET_BYTES)).toString('hex') };
    const created = await this.#secrets.create(`signing.${app}`, wanted, decodeSecret);
    if (created.kind === 'unavailable') return undefined;
    return created.kind === 'exists' ? created.value.secret : wanted.secret;
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  #read(hash: string): Promise<Authentication> {
    const generation = this.#generation;
    const reading = this.#tokens.read(`token.${hash}`, decodeToken).then((found) => {
      if (this.#reading.get(hash) === reading) this.#reading.delete(hash);
      if (found.kind === 'unavailable') return UNAVAILABLE;
      const authentication = found.kind === 'absent' ? INVALID : authenticationOf(hash, found.value);
      if (generation === this.#generation) this.#remember(hash, authentication, found.kind === 'found');
      return authentication;
    });
    this.#reading.set(hash, reading);
    return reading;
  }

  #remember(hash: string, authentication: Authentication, exists: boolean): void {
    const ageMs = exists ? limits.tokenCacheAgeMs : limits.unknownTokenAgeMs;
    const cache = exists ? this.#known : this.#unknown;
    cache.set(hash, { authentication, untilMs: this.#clock.monotonicMs() + ageMs });
  }

  async #nextNumber(): Promise<number> {
    const first = await this.#tokens.create(COUNTER, { number: 1 }, decodeCounter);
    if (first.kind === 'created') return 1;
    if (first.kind === 'unavailable') return 0;
    const change = await this.#tokens.change(COUNTER, decodeCounter, ({ number }) => ({ number: number + 1 }));
    return change.kind === 'changed' ? change.value.number : 0;
  }

  #onNews(data: Uint8Array): void {
    try {
      const { number, tokenHash } = decodeRevocation(data);
      const expected = this.#lastNumber !== undefined && number === this.#lastNumber + 1;
      this.#lastNumber = number;
      if (expected) this.#forget(tokenHash);
      else this.#forgetAll('revocation_number_unexpected');
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#logger.warn('revocation_malformed', { error });
      this.#forgetAll('revocation_malformed');
    }
  }

  #forget(hash: string): void {
    this.#generation += 1;
    this.#reading.delete(hash);
    this.#known.delete(hash);
  }

  #forgetAll(reason: string): void {
    this.#generation += 1;
    this.#reading.clear();
    this.#known.clear();
    this.#logger.debug('tokens_forgotten', { reason });
  }
}

function authenticationOf(tokenHash: string, { grant, revoked }: TokenRecord): Authentication {
  if (revoked) return REVOKED;
  const { unlimited } = grant;
  switch (grant.kind) {
    case 'user':
      return { kind: 'caller', caller: { ...grant, tokenHash, author: { user: grant.user } } };
    case 'bot':
      return { kind: 'caller', caller: { ...grant, tokenHash, author: { user: grant.user, bot: grant.bot } } };
    case 'app':
    case 'admin':
      return { kind: 'caller', caller: { kind: grant.kind, tokenHash, unlimited } };
    default:
      return grant satisfies never;
  }
}

function decodeToken(bytes: Uint8Array): TokenRecord | undefined {
  const value = decodeObject(bytes);
  if (value === undefined || typeof value['revoked'] !== 'boolean') return undefined;
  const grant = value['grant'] as { kind?: unknown } | undefined;
  return typeof grant?.kind === 'string' && grant.kind in PREFIX ? (value as unknown as TokenRecord) : undefined;
}

function decodeCounter(bytes: Uint8Array): { number: number } | undefined {
  const number = decodeObject(bytes)?.['number'];
  return typeof number === 'number' ? { number } : undefined;
}

function decodeSecret(bytes: Uint8Array): { secret: string } | undefined {
  const secret = decodeObject(bytes)?.['secret'];
  return typeof secret === 'string' ? { secret } : undefined;
}
