/**
 * What the result keeps of a measured stretch besides its figures: what the page draws, and what the harness judges
 * (client-bound, disturbed). Plain data, so that it goes into JSON as it is.
 */
import { clientBoundNote, fullMachineNote } from './client-bound.ts';
import { LatencyHistogram } from './histogram.ts';
import type { Inside } from './hop-meter.ts';
import type { ProcessUse } from './process-meter.ts';
import type { RatePoint } from './rate-meter.ts';
import type { ClientUse } from './self-meter.ts';
import type { Stretch } from './stretch.ts';
import { formatNumber } from './table.ts';

/** `hops`, `queues`: empty where the servers cannot be asked. */
export type StretchRecord = Inside & {
  readonly subject: string;
  readonly seconds: number;
  /** Every latency that was counted, as an encoded HDR histogram of microseconds (histogram.ts). */
  readonly latencies: readonly { readonly name: string; readonly histogram: string }[];
  readonly rate: RateRecord | null;
  /** The servers; empty where they are not on this machine. */
  readonly processes: readonly ProcessUse[];
  /** The load processes. */
  readonly clients: readonly ClientUse[];
  readonly othersCores: number;
  /** Of this machine, by servers, load and harness together. */
  readonly ownCores: number;
  readonly failures: readonly string[];
};

/** `stepSeconds`: the grid that its points stand on. Absent: half a second. */
type RateRecord = {
  readonly noun: string;
  readonly points: readonly RatePoint[];
  readonly stepSeconds?: number;
};

const noticeableCores = 0.1;

/** `latencies`: encoded histograms by what they count from where to where. */
export function recordOf(stretch: Stretch<unknown>, latencies: Readonly<Record<string, string>>): StretchRecord {
  const { rate = null, ...rest } = stretch;
  const { subject, seconds, processes, hops, queues, clients, othersCores, ownCores, failures } = rest;
  const named = Object.entries(latencies).map(([name, histogram]) => ({ name, histogram }));
  const measured = { processes, hops, queues, clients, othersCores, ownCores, failures };
  return { subject, seconds, latencies: named, rate, ...measured };
}

/** What a reader of the figures must know about how they came about; `records` of all runs, `cores` of the machine. */
export function notesOf(records: readonly StretchRecord[], cores: number): string[] {
  const subjects = [...new Set(records.map(({ subject }) => subject))];
  const bound = subjects.map((subject) => boundNote(records.filter((record) => record.subject === subject)));
  return [
    ...bound.filter((note) => note !== undefined),
    ...subjects.flatMap(
      (subject) =>
        fullNote(
          records.filter((record) => record.subject === subject),
          cores,
        ) ?? [],
    ),
    ...disturbanceNotes(records),
  ];
}

/** Of the repeats of one stretch. */
function boundNote(records: readonly StretchRecord[]): string | undefined {
  const notes = records.map(({ subject, clients, latencies }) => {
    const counted = latencies
      .map(({ histogram }) => LatencyHistogram.decode(histogram))
      .filter(({ count }) => count > 0);
    const p99s = counted.map((latency) => latency.percentiles().p99Ms);
    return clientBoundNote(subject, clients, p99s.length === 0 ? undefined : Math.min(...p99s));
  });
  const found = notes.filter((note) => note !== undefined);
  if (found.length < records.length && found[0] !== undefined)
    return `${found[0]} (${found.length} of ${records.length} runs)`;
  return found[0];
}

/** Of the repeats of one stretch, by the middle one's use. */
function fullNote(records: readonly StretchRecord[], cores: number): string | undefined {
  const uses = records.map(({ ownCores }) => ownCores).toSorted((a, b) => a - b);
  const middle = uses[Math.floor(uses.length / 2)] ?? 0;
  return fullMachineNote(records[0]?.subject ?? '', middle, cores);
}

/** Others took a noticeable part of the machine. Servers of unknown processes are among those, so then nobody can tell. */
function disturbanceNotes(records: readonly StretchRecord[]): string[] {
  const known = records.filter(({ processes }) => processes.length > 0);
  const most = Math.max(0, ...known.map(({ othersCores }) => othersCores));
  return most < noticeableCores ? [] : [`disturbed: other processes used ${formatNumber(most)} cores meanwhile`];
}
