/**
 * A slot's hot streams on their way from its old owner to its new one: who listens to them, how far they were told, and
 * of those with an actor what it leaves (hot-state.ts). Cut into chunks of bounded size.
 *
 *   chunk  [format, gateways, streams]
 *   stream [id, seq, places of its gateways, actor | null]
 *
 * Invariants:
 * Y1  Each chunk is useful by itself: a stream whose chunk is missing is activated from the log, and its gateways say
 *     again what they listen to.
 * Y2  A chunk is at most `hotChunkBytesMax` and the gateways it names. A stream that takes more goes without its actor;
 *     beyond the budget, streams are left out.
 */
import type { HotBudget } from '../cluster/hot-budget.ts';
import { limits } from '../platform/limits.ts';
import { decodeVersioned, encode } from '../protocol/codec.ts';
import type { GatewayRef } from '../protocol/commands.ts';
import { DecodeError } from '../protocol/errors.ts';
import { parseIncarnation, parseStreamId, type StreamId } from '../protocol/ids.ts';

const CHUNK_FORMAT = 1;
const CHUNK_BYTES_ACCEPTED_MAX = 512 * 1024;
/** A stream's id, seq and frame, and each of its gateways' places. */
const STREAM_BYTES = 40;
const PLACE_BYTES = 3;

export interface HotStream {
  readonly stream: StreamId;
  /** The last event that was fanned out; -1: not known. */
  readonly seq: number;
  readonly gateways: readonly GatewayRef[];
  /** As encodeHotActor gives it. */
  readonly actor: Uint8Array | undefined;
}

/** Takes streams from the front while the budget lasts; no more are asked for then. */
export function packHot(streams: Iterable<HotStream>, budget: HotBudget): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let chunk = new Chunk();
  for (const stream of streams) {
    const one = sizeOf(stream) > limits.hotChunkBytesMax ? { ...stream, actor: undefined } : stream;
    const bytes = sizeOf(one);
    if (!budget.take(bytes)) break;
    if (chunk.bytes + bytes > limits.hotChunkBytesMax) {
      chunks.push(chunk.encoded());
      chunk = new Chunk();
    }
    chunk.add(one, bytes);
  }
  if (chunk.bytes > 0) chunks.push(chunk.encoded());
  return chunks;
}

/** @throws DecodeError */
export function unpackHot(bytes: Uint8Array): HotStream[] {
  const [, refs, streams] = decodeVersioned('hot chunk', bytes, CHUNK_BYTES_ACCEPTED_MAX, CHUNK_FORMAT);
  if (!Array.isArray(refs) || !Array.isArray(streams)) throw malformed();
  const gateways = refs.map(decodeRef);
  return streams.map((stream) => decodeStream(stream, gateways));
}

class Chunk {
  bytes = 0;
  readonly #places = new Map<string, number>();
  readonly #refs: unknown[] = [];
  readonly #streams: unknown[] = [];

  add({ stream, seq, gateways, actor }: HotStream, bytes: number): void {
    this.bytes += bytes;
    this.#streams.push([stream, seq, gateways.map((ref) => this.#place(ref)), actor ?? null]);
  }

  encoded(): Uint8Array {
    return encode([CHUNK_FORMAT, this.#refs, this.#streams]);
  }

  #place({ region, incarnation }: GatewayRef): number {
    const known = this.#places.get(incarnation);
    if (known !== undefined) return known;
    this.#places.set(incarnation, this.#refs.length);
    return this.#refs.push([region, incarnation]) - 1;
  }
}

function sizeOf({ gateways, actor }: HotStream): number {
  return STREAM_BYTES + gateways.length * PLACE_BYTES + (actor?.length ?? 0);
}

function decodeRef(value: unknown): GatewayRef {
  const [region, name] = Array.isArray(value) ? (value as unknown[]) : [];
  const incarnation = parseIncarnation(name);
  if (typeof region !== 'string' || incarnation === undefined) throw malformed();
  return { region, incarnation };
}

function decodeStream(value: unknown, gateways: readonly GatewayRef[]): HotStream {
  const [id, seq, places, actor] = Array.isArray(value) ? (value as unknown[]) : [];
  const stream = parseStreamId(id);
  if (stream === undefined || !Number.isSafeInteger(seq) || !Array.isArray(places)) throw malformed();
  if (actor !== null && !(actor instanceof Uint8Array)) throw malformed();
  const listeners = places.map((place) => {
    const ref = gateways[place as number];
    if (ref === undefined) throw malformed();
    return ref;
  });
  return { stream, seq: seq as number, gateways: listeners, actor: actor ?? undefined };
}

function malformed(): DecodeError {
  return new DecodeError('hot chunk', 'malformed');
}
