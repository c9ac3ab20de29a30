/**
 * A client of the gateway world that checks what it sees: per stream, every event once and in order, unless it was told
 * to reload; nothing of a channel that its user could not see; each of its posts answered in the event's place.
 */
import type { StreamId, UserId } from '../../protocol/ids.ts';
import { isTeamStream, isUserStream } from '../../protocol/ids.ts';
import type { FakeSocket, GatewayWorld, Seen } from './gateway-world.ts';

/** A number: the seq last seen. 'any': told to reload, so the next one may be any. */
type Place = number | 'any';

export class CheckingClient {
  readonly user: UserId;
  readonly resumes: boolean;
  readonly world: GatewayWorld;
  socket: FakeSocket | undefined;
  readonly problems: string[] = [];
  readonly acked: { readonly id: number; readonly seq: number }[] = [];
  readonly refused: number[] = [];
  #places = new Map<StreamId, Place>();
  #read = 0;
  #nextId = 1;
  readonly #posts = new Map<number, { readonly channel: StreamId; readonly resyncs: number }>();
  #resyncs = 0;

  constructor(world: GatewayWorld, user: UserId, resumes: boolean) {
    this.world = world;
    this.user = user;
    this.resumes = resumes;
  }

  connect(): void {
    if (this.socket !== undefined) return;
    if (!this.resumes) this.#places = new Map();
    this.#read = 0;
    this.socket = this.world.open(this.user, { resume: this.resumes });
  }

  disconnect(): void {
    if (this.socket === undefined) return;
    this.look();
    if (this.socket !== undefined) this.world.hangUp(this.socket);
    this.socket = undefined;
    this.#posts.clear();
  }

  post(channel: StreamId, text: string): void {
    if (this.socket?.isOpen !== true) return;
    const id = this.#nextId++;
    this.#posts.set(id, { channel, resyncs: this.#resyncs });
    this.world.send(this.socket, { id, type: 'message', channel, text });
  }

  /** Reads what came; answers hello with `resume`. */
  look(): void {
    const { socket } = this;
    if (socket === undefined) return;
    for (; this.#read < socket.frames.length; this.#read += 1) this.#see(socket.frames[this.#read] ?? {});
    if (!socket.isOpen) this.socket = undefined;
  }

  /** Once everything has settled: it stands at the tail of all that its user may see. */
  checkTails(): void {
    const { owner, state } = this.world;
    if (this.socket?.isOpen !== true) return;
    const streams = [...this.#places.keys(), ...(state.users.get(this.user)?.streams ?? []).map((stream) => stream.id)];
    for (const stream of new Set(streams)) {
      const place = this.#places.get(stream);
      if (!this.#isMember(stream) || place === 'any') continue;
      if (place !== owner.tail(stream))
        this.#problem(`stands at ${place} of ${stream}, whose tail is ${owner.tail(stream)}`);
    }
  }

  #isMember(stream: StreamId): boolean {
    if (isTeamStream(stream)) return true;
    return isUserStream(stream) ? stream === this.user : this.world.owner.members(stream).has(this.user);
  }

  #see(frame: Seen): void {
    if (frame['type'] === 'hello') return this.#greeted(frame);
    if (frame['type'] === 'resync') {
      this.#resyncs += 1;
      this.#places.set(frame['channel'] as StreamId, 'any');
      return;
    }
    const id = frame['reply_to'];
    if (typeof id === 'number' && this.#posts.has(id)) return this.#answered(id, frame);
    if (typeof frame['seq'] !== 'number') return;
    const stream = (frame['stream'] ?? frame['channel']) as StreamId;
    this.#arrived(stream, frame['seq']);
  }

  #greeted(frame: Seen): void {
    if (!this.resumes) {
      this.#places = new Map(this.socket?.greetedAt ?? []);
      return;
    }
    const hello = new Map(Object.entries(frame['cursors'] as Record<string, number>)) as Map<StreamId, number>;
    const cursors = [...this.#places].filter(([, place]) => place !== 'any');
    if (this.socket?.isOpen === true) {
      this.world.send(this.socket, { id: 0, type: 'resume', cursors: Object.fromEntries(cursors) });
    }
    this.#places = new Map([...hello, ...cursors]);
  }

  #answered(id: number, frame: Seen): void {
    const post = this.#posts.get(id);
    this.#posts.delete(id);
    if (post === undefined) return;
    if (frame['ok'] !== true) {
      this.refused.push(id);
      return;
    }
    const seq = frame['seq'] as number;
    this.acked.push({ id, seq });
    const place = this.#places.get(post.channel);
    const { owner } = this.world;
    // Told to reload meanwhile, or gone and back, it may be past the place of its post.
    const isPast = typeof place === 'number' && seq <= place;
    const moved = post.resyncs !== this.#resyncs || (isPast && owner.wasAway(this.user, post.channel, seq, place + 1));
    if (!(isPast && moved)) this.#arrived(post.channel, seq);
  }

  #arrived(stream: StreamId, seq: number): void {
    const place = this.#places.get(stream);
    if (typeof place === 'number' && seq !== place + 1 && !this.#mayJump(stream, place, seq)) {
      this.#problem(`got ${seq} of ${stream} after ${place}`);
    }
    if (place === undefined && !this.#mayJump(stream, seq - 1, seq)) this.#problem(`began ${stream} at ${seq}`);
    if (!this.world.owner.maySee(this.user, stream, seq))
      this.#problem(`got ${seq} of ${stream}, which it may not see`);
    this.#places.set(stream, seq);
  }

  /** It was no member somewhere between the two, and its joining again is not behind the second. */
  #mayJump(stream: StreamId, from: number, to: number): boolean {
    if (isUserStream(stream) || isTeamStream(stream) || to <= from) return false;
    return this.world.owner.wasAway(this.user, stream, from, to);
  }

  #problem(text: string): void {
    this.problems.push(`${this.user} (session ${this.socket?.number}): ${text}`);
  }
}
