/**
 * What one load process knows of the posts to many channels: those it posted that were acknowledged, and those that its
 * sessions got. That each session gets every seq once and in order is its ledger's business (session-ledger.ts).
 *
 * K1  A post sent after another to the same channel was acknowledged gets a higher seq.
 * K2  A seq carries the same post for everybody.
 * K3  Over all load processes: what was acknowledged was seen under that seq, and what was seen was acknowledged, once.
 */
import type { Cursors } from './session-ledger.ts';

/** [channel, seq, id of the post] */
export type PlacedPost = readonly [string, number, number];
export type PostReport = { readonly acknowledged: readonly PlacedPost[]; readonly seen: readonly PlacedPost[] };

export class PostBook {
  readonly #tails = new Map<string, number>();
  readonly #highestAcknowledged = new Map<string, number>();
  readonly #seen = new Map<string, Map<number, number>>();
  #acknowledged: PlacedPost[] = [];

  /** What a post that is sent now must come after (K1). */
  floorOf(channel: string): number {
    return this.#highestAcknowledged.get(channel) ?? 0;
  }

  /** Returns what is wrong with it, if anything; so does see(). */
  acknowledge([channel, seq, id]: PlacedPost, floor: number): string | undefined {
    this.#acknowledged.push([channel, seq, id]);
    this.#highestAcknowledged.set(channel, Math.max(this.floorOf(channel), seq));
    this.note(channel, seq);
    return seq > floor ? undefined : `${channel}: a post got seq ${seq}, after ${floor} had been acknowledged`;
  }

  see(channel: string, seq: number, id: number): string | undefined {
    const ids = this.#seen.get(channel) ?? new Map<number, number>();
    this.#seen.set(channel, ids);
    const known = ids.get(seq);
    if (known === undefined) ids.set(seq, id);
    return known === undefined || known === id ? undefined : `${channel}: seq ${seq} is one post here, another there`;
  }

  /** The channel is known to reach `seq`. */
  note(channel: string, seq: number): void {
    if (seq > (this.#tails.get(channel) ?? 0)) this.#tails.set(channel, seq);
  }

  tails(): Cursors {
    return Object.fromEntries(this.#tails);
  }

  /** Since the last report; starts anew, but the tails stay. */
  report(): PostReport {
    const acknowledged = this.#acknowledged;
    const seen = [...this.#seen].flatMap(([channel, ids]) => [...ids].map(([seq, id]) => [channel, seq, id] as const));
    this.#acknowledged = [];
    this.#seen.clear();
    return { acknowledged, seen };
  }
}

/** K2, K3: what is wrong with what all load processes know together. */
export function checkPosts(reports: readonly PostReport[]): string[] {
  const seen = new Map<string, number>();
  const failures: string[] = [];
  for (const [channel, seq, id] of reports.flatMap((report) => report.seen)) {
    const place = `${channel} ${seq}`;
    if ((seen.get(place) ?? id) !== id) failures.push(`${channel}: seq ${seq} is one post here, another there`);
    seen.set(place, id);
  }
  const acknowledged = new Set<number>();
  for (const [channel, seq, id] of reports.flatMap((report) => report.acknowledged)) {
    const place = `${channel} ${seq}`;
    const found = seen.get(place);
    if (found === undefined) failures.push(`${channel}: acknowledged post ${seq} never came`);
    else if (found !== id) failures.push(`${channel}: seq ${seq} was acknowledged for another post than came`);
    if (acknowledged.has(id)) failures.push(`${channel}: a post was acknowledged twice`);
    acknowledged.add(id);
    seen.delete(place);
  }
  for (const place of seen.keys()) failures.push(`${place}: a post came that was not acknowledged`);
  return failures;
}
