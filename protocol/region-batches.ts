/**
 * Region batches: what a worker publishes once, on `belfry.out.<region>`, for all gateways of a region.
 *
 * Invariants:
 * B3  Numbers of one (worker incarnation, region) pair are 1, 2, 3 … without a hole. The worker's own batches to each
 *     gateway of the region, beats included, say how far they go (`RegionSpan` in batches.ts), so that a gateway finds a
 *     loss of the last one too. There are no other beats.
 * B4  The head names the streams: a gateway that wants none of them leaves the entries undecoded.
 */
import {
  BATCH_BYTES_ACCEPTED_MAX,
  BATCH_FORMAT,
  packEntry,
  unpackEntry,
  unpackStream,
  type BatchEntry,
  type StreamedEntry,
} from './batches.ts';
import { decode, decodeVersioned, encode } from './codec.ts';
import { DecodeError } from './errors.ts';
import { parseIncarnation, type Incarnation, type StreamId } from './ids.ts';

export interface RegionBatch {
  readonly worker: Incarnation;
  readonly number: number;
  /** Of the entries, each once. */
  readonly streams: readonly StreamId[];
  readonly entries: readonly StreamedEntry[];
}

export interface RegionBatchHead extends Pick<RegionBatch, 'worker' | 'number' | 'streams'> {
  /** For `decodeRegionEntries`; a view into the bytes. */
  readonly body: Uint8Array;
}

export function encodeRegionBatch({ worker, number, streams, entries }: RegionBatch): Uint8Array {
  return encode([BATCH_FORMAT, worker, number, streams, encode(entries.map(packEntry))]);
}

/** @throws DecodeError for anything but a well-formed head of this format. */
export function decodeRegionHead(bytes: Uint8Array): RegionBatchHead {
  const [, life, number, names, body] = decodeVersioned(boundary, bytes, BATCH_BYTES_ACCEPTED_MAX, BATCH_FORMAT);
  const worker = parseIncarnation(life);
  if (worker === undefined || !Number.isSafeInteger(number) || (number as number) < 1) throw malformed('head');
  if (!Array.isArray(names) || !(body instanceof Uint8Array)) throw malformed('head');
  return { worker, number: number as number, streams: names.map(unpackStream), body };
}

/** @throws DecodeError for anything but well-formed entries that belong to streams. */
export function decodeRegionEntries({ body }: RegionBatchHead): StreamedEntry[] {
  const entries = decode(boundary, body, BATCH_BYTES_ACCEPTED_MAX);
  if (!Array.isArray(entries)) throw malformed('entries');
  return entries.map((entry) => streamed(unpackEntry(entry)));
}

const boundary = 'region batch';

function streamed(entry: BatchEntry): StreamedEntry {
  if (entry.kind === 'reply' || entry.kind === 'presence') throw malformed('entry kind');
  return entry;
}

function malformed(detail: string): DecodeError {
  return new DecodeError(boundary, `malformed ${detail}`);
}
