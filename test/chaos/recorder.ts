/**
 * The history of one run as it is recorded: what each client did and saw, and every fault, in milliseconds since the
 * start. It can be written to a folder, one JSON line for each.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Delivery, PostRecord, PresenceRecord } from '../support/history-checks.ts';

/** A refused attempt of a post, or a socket's end: allowed or not, it is part of the story. */
export interface Incident {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
}

export interface Fault {
  readonly atMs: number;
  readonly what: string;
  /** Undefined while it lasts. */
  untilMs: number | undefined;
  /** Whose owner it touched; undefined: not known, or no owner. */
  readonly channels?: ReadonlySet<string> | undefined;
}

export class Recorder {
  readonly posts: PostRecord[] = [];
  readonly incidents: Incident[] = [];
  readonly faults: Fault[] = [];
  readonly presence: PresenceRecord[] = [];
  readonly #startMs = performance.now();
  /** When its time begins, to compare with the processes' logs. */
  readonly #startedAt = new Date().toISOString();

  now(): number {
    return performance.now() - this.#startMs;
  }

  incident(who: string, what: string): void {
    this.incidents.push({ atMs: this.now(), who, what });
  }

  fault(what: string, channels?: ReadonlySet<string>): Fault {
    const fault: Fault = { atMs: this.now(), what, untilMs: undefined, channels };
    this.faults.push(fault);
    return fault;
  }

  /** Channels that were posted to. */
  channels(): ReadonlySet<string> {
    return new Set(this.posts.map(({ channel }) => channel));
  }

  /** Incidents counted by what they were. */
  counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { what } of this.incidents) counts.set(what, (counts.get(what) ?? 0) + 1);
    return new Map([...counts].toSorted((a, b) => b[1] - a[1]));
  }

  write(folder: string, deliveries: readonly (Delivery & { readonly listener: string })[]): void {
    mkdirSync(folder, { recursive: true });
    const lines = [
      { kind: 'start', atMs: 0, at: this.#startedAt },
      ...this.faults.map((fault) => ({ kind: 'fault', ...fault, channels: fault.channels && [...fault.channels] })),
      ...this.incidents.map((incident) => ({ kind: 'incident', ...incident })),
      ...this.presence.map((change) => ({ kind: 'presence', ...change })),
      ...this.posts.map((post) => ({ kind: 'post', atMs: post.sentMs, ...post })),
      ...deliveries.map(({ kind, ...delivery }) => ({ kind: 'delivery', how: kind, ...delivery })),
    ].toSorted((a, b) => a.atMs - b.atMs);
    writeFileSync(join(folder, 'history.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }
}
