/**
 * Records in JetStream streams: appends with an expected sequence on one connection, reads on another.
 *
 * A1  An attempt is `stored` only for an acknowledgement with a sequence and `conflict` only for error 10071. All else
 *     (silence, no responders, a lost connection, 10164 and every other error) is `unknown`.
 * A2  Reads of the newest record go through the stream's leader where there are replicas: a follower may not have an
 *     acknowledged record yet. Records never change, so one found by sequence may come from any replica.
 * A3  Appends change to the other connection when a write left because of its size, so a store under load is read by the
 *     server on both at once, and one under little load has all of a turn in one write. In flight together are appends to
 *     different subjects only, whose order means nothing.
 *
 * The acknowledgement is scanned by hand and the header built by hand: with the stock calls an append costs six times
 * as much processor time.
 */
import type { Msg } from '@nats-io/transport-node';
import {
  type AppendAttempt,
  BrokerLimitError,
  type RecordRead,
  type RecordStore,
  type StoredRecord,
} from './broker.ts';
import { limits } from '../platform/limits.ts';
import type { ReplyMux } from './reply-mux.ts';

const EXPECTED_SEQUENCE = 'Nats-Expected-Last-Subject-Sequence';
const WRONG_LAST_SEQUENCE = 10071;
const NO_MESSAGE_FOUND = 10037;
const NOT_FOUND = 404;

export interface NatsRecordStoreParts {
  /** Two connections: while one's write is on its way, what comes next gathers on the other (A3). */
  readonly appends: readonly [ReplyMux, ReplyMux];
  readonly reads: ReplyMux;
  readonly replicas: number;
  readonly payloadBytesMax: number;
}

export class NatsRecordStore implements RecordStore {
  /** The one for the next append, and the other. */
  #appends: readonly [ReplyMux, ReplyMux];
  readonly #reads: ReplyMux;
  readonly #replicated: boolean;
  readonly #payloadBytesMax: number;

  constructor(parts: NatsRecordStoreParts) {
    this.#appends = parts.appends;
    this.#reads = parts.reads;
    this.#replicated = parts.replicas > 1;
    this.#payloadBytesMax = parts.payloadBytesMax;
  }

  append(subject: string, data: Uint8Array, expected: number, timeoutMs: number): Promise<AppendAttempt> {
    if (data.length > this.#payloadBytesMax) throw new BrokerLimitError(subject, data.length, this.#payloadBytesMax);
    return new Promise((resolve) => {
      const settle = (reply: Msg | string): void =>
        resolve(typeof reply === 'string' ? { kind: 'unknown', reason: reply } : attemptOf(reply));
      const [mux, other] = this.#appends;
      mux.send(subject, data, timeoutMs, settle, expectationHeader(expected));
      if (mux.outgoingBytes === 0) this.#appends = [other, mux];
    });
  }

  last(stream: string, subject: string): Promise<RecordRead> {
    if (this.#replicated) return this.#throughLeader(stream, { last_by_subj: subject });
    return this.#read(`$JS.API.DIRECT.GET.${stream}.${subject}`, NOTHING, directRead);
  }

  async at(stream: string, sequence: number): Promise<RecordRead> {
    const query = Buffer.from(`{"seq":${sequence}}`);
    const read = await this.#read(`$JS.API.DIRECT.GET.${stream}`, query, directRead);
    // Absent on one replica may mean that it is behind (A2).
    return read.kind === 'absent' && this.#replicated ? this.#throughLeader(stream, { seq: sequence }) : read;
  }

  #throughLeader(stream: string, query: { last_by_subj: string } | { seq: number }): Promise<RecordRead> {
    return this.#read(`$JS.API.STREAM.MSG.GET.${stream}`, Buffer.from(JSON.stringify(query)), leaderRead);
  }

  #read(subject: string, query: Uint8Array, parse: (reply: Msg) => RecordRead): Promise<RecordRead> {
    return new Promise((resolve) => {
      this.#reads.send(subject, query, limits.logReadTimeoutMs, (reply) => {
        resolve(typeof reply === 'string' ? unavailable(`read: ${reply}`) : parse(reply));
      });
    });
  }
}

const NOTHING = new Uint8Array(0);

function expectationHeader(expected: number): string {
  return `NATS/1.0\r\n${EXPECTED_SEQUENCE}:${expected}\r\n\r\n`;
}

function attemptOf(reply: Msg): AppendAttempt {
  const { data } = reply;
  const sequence = acknowledgedSequence(data);
  return sequence === undefined ? rareAttempt(data) : { kind: 'stored', sequence };
}

const ACK_HEAD = Buffer.from('{"stream":"');
const ACK_SEQUENCE = Buffer.from('"seq":');
const SPACE = 0x20;
const COMMA = 0x2c;
const QUOTE = 0x22;
const ZERO = 0x30;
const NINE = 0x39;

/** N of `{"stream":"…", "seq":N`, which is how the server writes an acknowledgement; undefined for anything else. */
export function acknowledgedSequence(data: Uint8Array): number | undefined {
  if (!holdsAt(data, 0, ACK_HEAD)) return undefined;
  const nameEnd = data.indexOf(QUOTE, ACK_HEAD.length);
  if (nameEnd < 0 || data[nameEnd + 1] !== COMMA) return undefined;
  const key = data[nameEnd + 2] === SPACE ? nameEnd + 3 : nameEnd + 2;
  if (!holdsAt(data, key, ACK_SEQUENCE)) return undefined;
  let sequence = 0;
  for (let at = key + ACK_SEQUENCE.length; at < data.length; at += 1) {
    const byte = data[at] ?? 0;
    if (byte < ZERO || byte > NINE) break;
    sequence = sequence * 10 + byte - ZERO;
  }
  return sequence > 0 ? sequence : undefined;
}

function holdsAt(data: Uint8Array, start: number, part: Uint8Array): boolean {
  if (data.length < start + part.length) return false;
  for (let i = 0; i < part.length; i += 1) if (data[start + i] !== part[i]) return false;
  return true;
}

/** An error, or an acknowledgement in another order than the usual one. */
function rareAttempt(data: Uint8Array): AppendAttempt {
  const body = parseJson(data);
  if (body === undefined) return { kind: 'unknown', reason: 'an answer that is not JSON' };
  if (body.error?.err_code === WRONG_LAST_SEQUENCE) return { kind: 'conflict' };
  if (body.error === undefined && Number.isSafeInteger(body.seq) && Number(body.seq) > 0) {
    return { kind: 'stored', sequence: Number(body.seq) };
  }
  return { kind: 'unknown', reason: `server error ${body.error?.err_code ?? 'without a code'}` };
}

function directRead(reply: Msg): RecordRead {
  const { headers } = reply;
  if (headers === undefined) return unavailable('direct read: an answer without headers');
  if (headers.code === NOT_FOUND) return { kind: 'absent' };
  if (headers.code !== 0) return unavailable(`direct read: status ${headers.code}`);
  return found({
    sequence: Number(headers.get('Nats-Sequence')),
    subject: headers.get('Nats-Subject'),
    data: reply.data,
    previous: Number(headers.get(EXPECTED_SEQUENCE) || 0),
  });
}

function leaderRead(reply: Msg): RecordRead {
  const body = parseJson(reply.data);
  if (body?.error?.err_code === NO_MESSAGE_FOUND) return { kind: 'absent' };
  if (body?.message === undefined) return unavailable(`leader read: error ${body?.error?.err_code ?? 'unknown'}`);
  const { seq, subject, data, hdrs } = body.message;
  return found({
    sequence: Number(seq),
    subject: String(subject),
    data: Buffer.from(data ?? '', 'base64'),
    previous: expectedIn(Buffer.from(hdrs ?? '', 'base64').toString('latin1')),
  });
}

function expectedIn(headers: string): number {
  return Number(new RegExp(`^${EXPECTED_SEQUENCE}: ?(\\d+)`, 'm').exec(headers)?.[1] ?? 0);
}

function found(record: StoredRecord): RecordRead {
  if (!Number.isSafeInteger(record.sequence) || record.sequence < 1 || !Number.isSafeInteger(record.previous)) {
    return unavailable('a record without its sequences');
  }
  return { kind: 'found', record };
}

function unavailable(reason: string): RecordRead {
  return { kind: 'unavailable', cause: new Error(reason) };
}

/** The fields of JetStream's API that matter here. */
interface ApiAnswer {
  readonly seq?: unknown;
  readonly error?: { readonly err_code?: number };
  readonly message?: {
    readonly seq?: unknown;
    readonly subject?: unknown;
    readonly data?: string;
    readonly hdrs?: string;
  };
}

function parseJson(data: Uint8Array): ApiAnswer | undefined {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString()) as ApiAnswer;
  } catch {
    return undefined;
  }
}
