/**
 * What the users of a workspace do: each action draws who does it and where, is carried out at once, and is timed from
 * when it was due.
 *
 * A1  Open loop: no action waits for another one. What nobody can do at the moment (no second typing of a user within
 *     `typingMs`, nobody there to join) is passed over and counted as that, not as due.
 * A2  Any answer but the wanted one is a failure of the run.
 * A3  Joins take turns with leaves of those that joined, so that channels keep their sizes.
 */
import { systemClock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { Rng } from '../platform/rng.ts';
import { ActionMeter, type ActionName } from './action-meter.ts';
import type { BenchUser } from './bench-workspace.ts';
import { apiRequest, type HttpAnswer } from './http-client.ts';
import type { MachineClock } from './machine-clock.ts';
import type { MembershipBook, MembershipChange } from './membership-book.ts';
import { makeText } from './message-text.ts';
import { acknowledgedSeq, failureOf } from './post-answer.ts';
import type { PostBook } from './post-book.ts';
import type { RequestPool } from './request-pool.ts';
import type { WeightedDraw } from './weighted-draw.ts';
import type { WorkspaceSessions } from './workspace-sessions.ts';

export type Scene = {
  readonly api: string;
  readonly channels: readonly string[];
  /** Ids of the users of all load processes. */
  readonly everybody: readonly string[];
  readonly sessions: WorkspaceSessions;
  readonly members: MembershipBook;
  readonly posts: PostBook;
  readonly machine: MachineClock;
  readonly rng: Rng;
  readonly bytes: number;
  readonly awayMs: number;
  /** A number that no other post has, in any load process. */
  readonly nextPostId: () => number;
  readonly fail: (reason: string) => void;
};

const drawsMax = 20;
/** Users on a screen: what a client follows the presence of. */
const screenUsers = 20;
const historyMessages = 50;

export class WorkspaceActions {
  readonly meter = new ActionMeter();
  readonly #scene: Scene;
  readonly #pool: RequestPool;
  readonly #channels: WeightedDraw;
  readonly #typedAtUs = new Map<string, number>();
  readonly #away = new Set<Promise<void>>();
  /** Requests without an answer, by user id. */
  readonly #asking = new Map<string, number>();
  #turns = 0;

  /** `channels`: which channel something happens in. */
  constructor(scene: Scene, pool: RequestPool, channels: WeightedDraw) {
    this.#scene = scene;
    this.#pool = pool;
    this.#channels = channels;
  }

  do(name: ActionName, dueUs: number): void {
    if (this.#try(name, dueUs)) this.meter.due(name);
    else this.meter.passOver(name);
  }

  /** Resolves when everything that was begun is over. */
  async finish(): Promise<void> {
    await this.#pool.idle();
    await Promise.all(this.#away);
    await this.#scene.sessions.arrived();
  }

  #try(name: ActionName, dueUs: number): boolean {
    switch (name) {
      case 'post':
        return this.#post(dueUs);
      case 'typing':
        return this.#type(dueUs);
      case 'presence':
        return this.#askPresence(dueUs);
      case 'join':
        return this.#join(dueUs);
      case 'leave':
        return this.#leave(dueUs);
      case 'history':
        return this.#readHistory(dueUs);
      case 'reconnect':
        return this.#reconnect(dueUs);
      default:
        return name satisfies never;
    }
  }

  #post(dueUs: number): boolean {
    const place = this.#drawMember(() => true);
    if (place === undefined) return false;
    const { posts, bytes, fail } = this.#scene;
    const { channel } = place;
    const id = this.#scene.nextPostId();
    const floor = posts.floorOf(channel);
    const fields = { channel, text: makeText(id, dueUs, bytes) };
    this.#request('post', 'chat.postMessage', place.user, fields, dueUs, (answer) => {
      const seq = acknowledgedSeq(answer);
      if (seq === undefined) return false;
      const wrong = posts.acknowledge([channel, seq, id], floor);
      if (wrong !== undefined) fail(wrong);
      return true;
    });
    return true;
  }

  #type(dueUs: number): boolean {
    const { sessions } = this.#scene;
    const isFresh = (key: string) => dueUs - (this.#typedAtUs.get(key) ?? -Infinity) > limits.typingMs * 1_000;
    const place = this.#drawMember((at, channel) => sessions.isLive(at) && isFresh(`${channel} ${at}`));
    if (place === undefined) return false;
    this.#typedAtUs.set(`${place.number} ${place.at}`, dueUs);
    sessions.type(place.at, place.number, dueUs);
    return true;
  }

  #askPresence(dueUs: number): boolean {
    const { sessions, everybody, rng } = this.#scene;
    const type = this.#turns++ % 2 === 0 ? 'presence_sub' : 'presence_query';
    const users = new Set(Array.from({ length: screenUsers }, () => everybody[rng.int(everybody.length)] ?? ''));
    return (
      this.#draw(() => {
        const at = rng.int(sessions.count);
        return sessions.askPresence(at, type, [...users], dueUs) ? at : undefined;
      }) !== undefined
    );
  }

  #join(dueUs: number): boolean {
    const { sessions, members, rng } = this.#scene;
    const seat = this.#draw(() => {
      const channel = this.#channels.draw(rng);
      const user = rng.int(sessions.count);
      return sessions.isLive(user) && members.canJoin(channel, user) ? { channel, user } : undefined;
    });
    return seat !== undefined && this.#change('join', seat, dueUs);
  }

  /** Not of a user who waits for an answer: a post must not find that its author has left meanwhile. */
  #leave(dueUs: number): boolean {
    const { sessions, members } = this.#scene;
    const isFree = (at: number) => sessions.isLive(at) && !this.#asking.has(sessions.user(at)?.id ?? '');
    const seat = members.nextLeaver(isFree);
    return seat !== undefined && this.#change('leave', seat, dueUs);
  }

  #change(change: MembershipChange, seat: { channel: number; user: number }, dueUs: number): boolean {
    const { sessions, members, channels } = this.#scene;
    const user = sessions.user(seat.user);
    if (user === undefined) return false;
    members.begin(change, seat.channel, seat.user);
    const fields = { channel: channels[seat.channel] ?? '' };
    this.#request(change, `conversations.${change}`, user, fields, dueUs, (answer) => {
      const ok = isOk(answer);
      if (ok) members.answered(seat.channel, seat.user);
      return ok;
    });
    return true;
  }

  #readHistory(dueUs: number): boolean {
    const place = this.#drawMember(() => true);
    if (place === undefined) return false;
    const fields = { channel: place.channel, limit: String(historyMessages) };
    const floor = this.#scene.posts.floorOf(place.channel);
    this.#request('history', 'conversations.history', place.user, fields, dueUs, (answer) => {
      if (!isOk(answer)) return false;
      const wrong = historyFault(place.channel, answer, floor);
      if (wrong !== undefined) this.#scene.fail(wrong);
      return true;
    });
    return true;
  }

  #reconnect(dueUs: number): boolean {
    const { sessions, members, rng, awayMs, machine } = this.#scene;
    const at = this.#draw(() => {
      const user = rng.int(sessions.count);
      return sessions.isLive(user) && !members.isBusy(user) ? user : undefined;
    });
    if (at === undefined) return false;
    sessions.drop(at);
    const backUs = dueUs + awayMs * 1_000;
    const away = systemClock.sleep(awayMs).then(() => {
      this.#away.delete(away);
      sessions.come(at, () => this.meter.done('reconnect', machine.nowUs() - backUs));
    });
    this.#away.add(away);
    return true;
  }

  #request(
    name: ActionName,
    method: string,
    { id, token }: BenchUser,
    fields: Readonly<Record<string, string>>,
    dueUs: number,
    take: (answer: HttpAnswer) => boolean,
  ): void {
    const { api, machine, fail } = this.#scene;
    const done = (answer: HttpAnswer | Error): void => {
      this.#count(id, -1);
      if (answer instanceof Error || !take(answer)) return fail(`a ${name} failed: ${failureOf(answer)}`);
      this.meter.done(name, machine.nowUs() - dueUs);
    };
    if (this.#pool.request(() => apiRequest(api, method, token, fields), done)) return this.#count(id, 1);
    fail(`the server is so far behind that a ${name} was given up`);
  }

  #count(user: string, step: number): void {
    const count = (this.#asking.get(user) ?? 0) + step;
    if (count === 0) this.#asking.delete(user);
    else this.#asking.set(user, count);
  }

  /** A channel by its weight, and one of its members here. */
  #drawMember(fits: (at: number, channel: number) => boolean) {
    const { members, sessions, channels, rng } = this.#scene;
    return this.#draw(() => {
      const number = this.#channels.draw(rng);
      const at = members.drawMember(number, rng);
      const user = at === undefined ? undefined : sessions.user(at);
      if (at === undefined || user === undefined || !fits(at, number)) return undefined;
      return { at, number, user, channel: channels[number] ?? '' };
    });
  }

  #draw<T>(once: () => T | undefined): T | undefined {
    for (let draws = 0; draws < drawsMax; draws += 1) {
      const drawn = once();
      if (drawn !== undefined) return drawn;
    }
    return undefined;
  }
}

function isOk({ status, body }: HttpAnswer): boolean {
  return status === 200 && (JSON.parse(body) as { ok?: unknown }).ok === true;
}

/** A page goes down in seq, and shows what had been acknowledged when it was asked for. */
export function historyFault(channel: string, { body }: HttpAnswer, floor: number): string | undefined {
  const { messages = [] } = JSON.parse(body) as { messages?: readonly { readonly seq?: number }[] };
  const seqs = messages.map(({ seq }) => seq ?? 0);
  if (seqs.some((seq, at) => at > 0 && seq >= (seqs[at - 1] ?? 0))) return `${channel}: its history is out of order`;
  if ((seqs[0] ?? 0) >= floor) return undefined;
  return `${channel}: its history ends at ${seqs[0] ?? 0}, after ${floor} had been acknowledged`;
}
