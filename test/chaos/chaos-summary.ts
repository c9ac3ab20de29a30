/**
 * What a run's history says about recovery: for each kind of fault, how long the channels that it touched accepted nothing
 * (recovery-checks.ts), and what clients were told meanwhile.
 */
import type { PostRecord } from '../support/history-checks.ts';
import type { Fault, Recorder } from './recorder.ts';
import { recoveries } from './recovery-checks.ts';

/** A post belongs to a fault when it was under way or sent within this of its begin. */
const reachMs = 4_000;

export function summarise(recorder: Recorder, seed: number, breaches: readonly string[]): string {
  const acked = recorder.posts.filter(({ acked: done }) => done !== undefined);
  const lines = [
    `seed ${seed}: ${acked.length} posts acknowledged, ${recorder.faults.length} faults, ${breaches.length} breaches`,
    '',
    "faults: count, channels touched, then ms to a channel's first acknowledged new post: p50, p99, longest",
    '(overlapping faults share their time; -: no channel is known to be touched)',
    ...faultLines(recorder),
    '',
    'what clients were told',
    ...[...recorder.counts()].map(([what, count]) => `  ${String(count).padStart(5)}  ${what}`),
    '',
    ...breaches.map((breach) => `BREACH ${breach}`),
  ];
  return `${lines.join('\n')}\n`;
}

function faultLines({ faults, posts }: Recorder): string[] {
  const kinds = new Map<string, { count: number; readonly tookMs: number[] }>();
  for (const fault of faults) {
    const kind = fault.what.replaceAll(/-\d+$|for \d+ ms:? ?|\(\d+ ms\) ?/g, '').trim();
    const known = kinds.get(kind) ?? { count: 0, tookMs: [] };
    known.count += 1;
    known.tookMs.push(...(recoveries(fault, posts)?.values() ?? []));
    kinds.set(kind, known);
  }
  return [...kinds].map(([kind, { count, tookMs }]) => {
    const figures = [count, tookMs.length, ...percentiles(tookMs)].map((figure) => String(figure).padStart(7));
    return `  ${kind.padEnd(24)}${figures.join('')}`;
  });
}

/** The slowest post of each channel around the fault, in ms. */
export function pauses({ atMs }: Fault, posts: readonly PostRecord[]): number[] {
  const slowest = new Map<string, number>();
  for (const { channel, sentMs, acked } of posts) {
    const endMs = acked?.atMs ?? Infinity;
    if (endMs < atMs || sentMs > atMs + reachMs) continue;
    slowest.set(channel, Math.max(endMs - Math.max(sentMs, atMs), slowest.get(channel) ?? 0));
  }
  return [...slowest.values()];
}

function percentiles(all: readonly number[]): (number | '-')[] {
  const sorted = all.toSorted((a, b) => a - b);
  return [0.5, 0.99, 1].map((share) => {
    const at = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return at === undefined ? '-' : Math.round(at);
  });
}
