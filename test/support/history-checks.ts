/**
 * What clients saw of a cluster under faults, and what must hold of it whatever happened. Pure: a recorded history in,
 * broken promises out, each as one line that names the channel and the place. Every post has a text of its own.
 *
 * K1  An acknowledged post stands in the log exactly once, under the seq and ts of its acknowledgement; one that was
 *     not acknowledged at most once; nothing else stands there (G1, G3).
 * K2  Per channel seq is dense and ts rises with it (G2).
 * K3  Whoever posts one after another is read in that order; a post sent after another was acknowledged comes after it.
 * K4  A listener's stream over all of its sessions is the log from where it began, without gap or double. Only a
 *     `resync` may leave something out, and only more than is ever replayed (G4, G5): logs are not trimmed here, nor does
 *     the power fail.
 * K5  Nobody who has a socket, or had one within the grace, is shown as away (DESIGN section 8).
 */
import { limits } from '../../platform/limits.ts';

export interface Acknowledgement {
  readonly atMs: number;
  readonly seq: number;
  readonly ts: string;
}

export interface PostRecord {
  readonly channel: string;
  readonly sender: string;
  /** Rises with the order in which the sender posted to this channel. */
  readonly number: number;
  readonly text: string;
  readonly sentMs: number;
  readonly acked?: Acknowledgement | undefined;
}

export interface LogEntry {
  readonly seq: number;
  readonly ts: string;
  readonly text: string;
}

export interface Delivery {
  readonly channel: string;
  readonly seq: number;
  readonly atMs: number;
  /** Counts the listener's sessions. */
  readonly session: number;
  readonly text: string;
  /** `ack`: of its own post, which stands for the event. `resync`: what follows `seq` is not to be had one by one. */
  readonly kind: 'event' | 'ack' | 'resync';
}

export interface ListenerRecord {
  readonly name: string;
  readonly user: string;
  /** Per channel, the seq after which its stream began. */
  readonly start: ReadonlyMap<string, number>;
  readonly deliveries: readonly Delivery[];
  /** When a socket of it was open and greeted. */
  readonly online: readonly { readonly fromMs: number; readonly toMs: number }[];
}

export interface PresenceRecord {
  readonly user: string;
  readonly presence: string;
  readonly atMs: number;
}

export interface History {
  readonly posts: readonly PostRecord[];
  readonly logs: ReadonlyMap<string, readonly LogEntry[]>;
  readonly listeners: readonly ListenerRecord[];
  readonly presence: readonly PresenceRecord[];
}

const breachesShownMax = 20;
/** Of more than this a listener may be told to reload. */
const replayedEventsMax = Math.min(limits.resumeGapEventsMax, limits.catchUpEventsMax);

/** Everything that is wrong, the first of each channel and listener first; empty when all holds. */
export function checkHistory({ posts, logs, listeners, presence }: History, presenceGraceMs: number): string[] {
  const perChannel = grouped(posts, ({ channel }) => channel);
  const channels = new Set([...perChannel.keys(), ...logs.keys()]);
  const breaches = [...channels].flatMap((channel) => {
    const [own, log] = [perChannel.get(channel) ?? [], logs.get(channel) ?? []];
    return [...checkLog(channel, log), ...checkPosts(channel, log, own), ...checkOrder(channel, log, own)];
  });
  breaches.push(...listeners.flatMap((listener) => checkListener(listener, logs)));
  breaches.push(...checkPresence(presence, listeners, presenceGraceMs));
  return breaches;
}

/** For a failed test: not a thousand lines. */
export function describeBreaches(breaches: readonly string[]): string {
  const more = breaches.length - breachesShownMax;
  return [...breaches.slice(0, breachesShownMax), ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

/** K2 */
export function checkLog(channel: string, log: readonly LogEntry[]): string[] {
  return log.flatMap((entry, at) => {
    const before = log[at - 1];
    if (before === undefined) return [];
    if (entry.seq !== before.seq + 1) return [`${channel}: the log has seq ${entry.seq} after ${before.seq}`];
    return entry.ts > before.ts ? [] : [`${channel}: ts ${entry.ts} of seq ${entry.seq} is not above ${before.ts}`];
  });
}

/** K1 */
export function checkPosts(channel: string, log: readonly LogEntry[], posts: readonly PostRecord[]): string[] {
  const places = grouped(log, ({ text }) => text);
  const posted = new Set(posts.map(({ text }) => text));
  const strange = log.filter(({ text }) => !posted.has(text)).map(({ seq }) => `${channel}: nobody posted seq ${seq}`);
  const wrong = posts.flatMap(({ text, acked }) => {
    const found = places.get(text) ?? [];
    if (found.length > 1) return [`${channel}: ${text} stands at seq ${found.map(({ seq }) => seq).join(', ')}`];
    if (acked === undefined) return [];
    const [entry] = found;
    if (entry === undefined) return [`${channel}: ${text}, acknowledged with seq ${acked.seq}, is not in the log`];
    if (entry.seq === acked.seq && entry.ts === acked.ts) return [];
    return [`${channel}: ${text} stands at ${entry.seq} ${entry.ts}, but was acknowledged as ${acked.seq} ${acked.ts}`];
  });
  return [...strange, ...wrong];
}

/** K3 */
export function checkOrder(channel: string, log: readonly LogEntry[], posts: readonly PostRecord[]): string[] {
  const byText = new Map(posts.map((post) => [post.text, post]));
  const lastNumber = new Map<string, number>();
  const breaches: string[] = [];
  for (const { seq, text } of log) {
    const post = byText.get(text);
    if (post === undefined) continue;
    const before = lastNumber.get(post.sender) ?? -1;
    if (post.number <= before)
      breaches.push(`${channel}: seq ${seq} is ${post.sender}'s ${post.number} after ${before}`);
    lastNumber.set(post.sender, post.number);
  }
  return [...breaches, ...checkRealTime(channel, posts)];
}

/** A post sent after another's acknowledgement gets a higher seq. */
function checkRealTime(channel: string, posts: readonly PostRecord[]): string[] {
  const acked = posts.flatMap((post) => (post.acked === undefined ? [] : [{ ...post, acked: post.acked }]));
  const bySending = acked.toSorted((a, b) => a.sentMs - b.sentMs);
  const byAnswer = acked.toSorted((a, b) => a.acked.atMs - b.acked.atMs);
  let next = 0;
  let highest = 0;
  return bySending.flatMap(({ sentMs, acked: { seq }, text }) => {
    for (let done = byAnswer[next]; done !== undefined && done.acked.atMs < sentMs; done = byAnswer[++next]) {
      highest = Math.max(highest, done.acked.seq);
    }
    return seq > highest ? [] : [`${channel}: ${text} got seq ${seq}, sent after ${highest} was acknowledged`];
  });
}

/** K4 */
export function checkListener(listener: ListenerRecord, logs: ReadonlyMap<string, readonly LogEntry[]>): string[] {
  return [...listener.start].flatMap(([channel, start]) => {
    const stream = listener.deliveries.filter((delivery) => delivery.channel === channel);
    return checkStream(`${listener.name} on ${channel}`, start, stream, logs.get(channel) ?? []);
  });
}

function checkStream(who: string, start: number, stream: readonly Delivery[], log: readonly LogEntry[]): string[] {
  const texts = new Map(log.map(({ seq, text }) => [seq, text]));
  const breaches: string[] = [];
  let last = start;
  let resynced = false;
  const passOver = (to: number, where: string) => {
    const left = to - last - 1;
    if (resynced && left <= replayedEventsMax)
      breaches.push(`${who}: resync at ${last} left out ${left} events ${where}`);
    if (!resynced && left > 0) breaches.push(`${who}: ${last} to ${to} are missing ${where}`);
    resynced = false;
  };
  for (const { seq, kind, text, session } of stream) {
    const where = `(session ${session})`;
    if (kind === 'resync') {
      // Said again before anything else came: once is enough.
      resynced = true;
      continue;
    }
    if (texts.get(seq) !== text) breaches.push(`${who}: seq ${seq} came as ${text}, the log has ${texts.get(seq)}`);
    // An answer to a repeated post tells of an event that may have come before, or of one that was left out.
    if (kind === 'ack' && (seq <= last || resynced)) continue;
    if (seq <= last) breaches.push(`${who}: seq ${seq} came again after ${last} ${where}`);
    else passOver(seq, where);
    last = Math.max(last, seq);
  }
  const tail = log.at(-1)?.seq ?? 0;
  if (resynced) passOver(tail + 1, 'at the end');
  else if (last < tail) breaches.push(`${who}: ends at ${last}, the log at ${tail}`);
  return breaches;
}

/** K5 */
export function checkPresence(
  presence: readonly PresenceRecord[],
  listeners: readonly ListenerRecord[],
  graceMs: number,
): string[] {
  return presence
    .filter(({ presence: state }) => state === 'away')
    .filter(({ user, atMs }) => {
      const own = listeners.filter((listener) => listener.user === user).flatMap(({ online }) => online);
      return own.some(({ fromMs, toMs }) => fromMs < atMs && toMs > atMs - graceMs);
    })
    .map(({ user, atMs }) => `presence: ${user} was shown as away at ${Math.round(atMs)} ms, with a socket open`);
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
