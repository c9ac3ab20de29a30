/**
 * What a run's history says about recovery: for each fault, how long the posts that met it took, and what clients were
 * told meanwhile. Percentiles are over channels: a channel's pause is its slowest post.
 */
import type { PostRecord } from '../support/history-checks.ts';
import type { Fault, Recorder } from './recorder.ts';

/** A post belongs to a fault when it was under way or sent within this of its begin. */
const reachMs = 4_000;

export function summarise(recorder: Recorder, seed: number, breaches: readonly string[]): string {
  const acked = recorder.posts.filter(({ acked: done }) => done !== undefined);
  const lines = [
    `seed ${seed}: ${acked.length} posts acknowledged, ${recorder.faults.length} faults, ${breaches.length} breaches`,
    '',
    'faults (count, then the pause of a channel in ms: p50, p99, longest; overlapping faults count for each)',
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
  const kinds = new Map<string, number[]>();
  const counts = new Map<string, number>();
  for (const fault of faults) {
    const kind = fault.what.replaceAll(/-\d+$|for \d+ ms:? ?|\(\d+ ms\) ?/g, '').trim();
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    kinds.set(kind, [...(kinds.get(kind) ?? []), ...pauses(fault, posts)]);
  }
  return [...kinds].map(([kind, all]) => {
    const sorted = all.toSorted((a, b) => a - b);
    const at = (share: number) =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
    const figures = [at(0.5), at(0.99), at(1)].map((ms) => String(ms).padStart(6)).join('');
    return `  ${kind.padEnd(24)} ${String(counts.get(kind)).padStart(4)} ${figures}`;
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
