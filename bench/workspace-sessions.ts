/**
 * The sessions of one load process's users: what they get is counted, timed and checked.
 *
 * W1  A delivery is a message on one session's socket, replayed ones included; only live ones are timed, from when the
 *     message was due: what was missed waited for its reader.
 * W2  A session that the servers end comes again at once, and must then get what it missed.
 * W3  Typing is timed where the sender and the receiver are of this process; it is at most once, so none is missed.
 */
import { ActionMeter } from './action-meter.ts';
import type { BenchUser } from './bench-workspace.ts';
import { LatencyHistogram } from './histogram.ts';
import type { MachineClock } from './machine-clock.ts';
import type { MembershipBook } from './membership-book.ts';
import type { PostBook } from './post-book.ts';
import type { OtherFrame } from './resume-client.ts';
import { ReturningSession } from './returning-session.ts';
import type { Cursors } from './session-ledger.ts';

export type SessionsOptions = {
  readonly api: string;
  readonly users: readonly BenchUser[];
  /** Ids; channels are numbers everywhere else. */
  readonly channels: readonly string[];
};

/** Sessions that connect at a time. */
const arrivalsMax = 32;
const ourText = /"text":"(\d{16}) (\d{9}) /;

/** One user's, with the question about presence that it waits for an answer to. */
type Seat = {
  readonly at: number;
  readonly session: ReturningSession;
  asked: { readonly users: ReadonlySet<string>; readonly dueUs: number } | undefined;
};

export class WorkspaceSessions {
  readonly #machine: MachineClock;
  readonly #members: MembershipBook;
  readonly #posts: PostBook;
  readonly #fail: (reason: string) => void;
  readonly #channels: readonly string[];
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #seats: readonly Seat[];
  /** When typing was due, by channel and user. */
  readonly #typing = new Map<string, number>();
  readonly #arrivals = new Set<Promise<void>>();
  #meter = new ActionMeter();
  #latency = new LatencyHistogram();
  #deliveries = 0;
  #replayed = 0;
  #endedByServers = 0;
  #readAtUs = 0;

  constructor(
    { api, users, channels }: SessionsOptions,
    machine: MachineClock,
    books: { readonly members: MembershipBook; readonly posts: PostBook },
    fail: (reason: string) => void,
  ) {
    this.#machine = machine;
    this.#members = books.members;
    this.#posts = books.posts;
    this.#fail = fail;
    this.#channels = channels;
    this.#numbers = new Map(channels.map((id, at) => [id, at]));
    this.#seats = users.map((user, at) => this.#makeSeat(api, user, at));
  }

  get deliveries(): number {
    return this.#deliveries;
  }

  get count(): number {
    return this.#seats.length;
  }

  /** Counts from nothing on, into `meter`. */
  begin(meter: ActionMeter): void {
    this.#meter = meter;
    this.#latency = new LatencyHistogram();
    this.#deliveries = 0;
    this.#replayed = 0;
    this.#endedByServers = 0;
    this.#typing.clear();
  }

  report() {
    return {
      deliveries: this.#deliveries,
      replayed: this.#replayed,
      endedByServers: this.#endedByServers,
      latency: this.#latency.encode(),
    };
  }

  async connectAll(): Promise<void> {
    let next = 0;
    const work = async (): Promise<void> => {
      for (let seat = this.#seats[next++]; seat !== undefined; seat = this.#seats[next++]) await this.#arrive(seat);
    };
    await Promise.all(Array.from({ length: arrivalsMax }, work));
  }

  user(at: number): BenchUser | undefined {
    return this.#seats[at]?.session.user;
  }

  isLive(at: number): boolean {
    return this.#seats[at]?.session.isLive === true;
  }

  type(at: number, channel: number, dueUs: number): void {
    const id = this.#channels[channel] ?? '';
    const seat = this.#seats[at];
    this.#typing.set(`${id} ${seat?.session.user.id}`, dueUs);
    seat?.session.send({ type: 'typing', channel: id });
  }

  /** False: it still waits for an answer. */
  askPresence(at: number, type: 'presence_sub' | 'presence_query', users: readonly string[], dueUs: number): boolean {
    const seat = this.#seats[at];
    if (seat === undefined || !seat.session.isLive || seat.asked !== undefined) return false;
    seat.asked = { users: new Set(users), dueUs };
    seat.session.send({ type, ids: users });
    return true;
  }

  /** Drops the connection; come() brings the session back. */
  drop(at: number): void {
    const seat = this.#seats[at];
    if (seat === undefined) return;
    seat.asked = undefined;
    seat.session.leave();
  }

  /** Calls `done` when the session has caught up. */
  come(at: number, done: () => void): void {
    const seat = this.#seats[at];
    if (seat === undefined) return;
    const arrival = this.#comeBack(seat, done).finally(() => void this.#arrivals.delete(arrival));
    this.#arrivals.add(arrival);
  }

  /** Resolves when nobody is on the way back. */
  async arrived(): Promise<void> {
    while (this.#arrivals.size > 0) await Promise.all(this.#arrivals);
  }

  /** How many places are not at these tails yet. */
  behind(tails: Cursors): number {
    let count = 0;
    for (const [channel, tail] of Object.entries(tails)) {
      for (const at of this.#members.members(this.#numbers.get(channel) ?? -1)) {
        const place = this.#seats[at]?.session.ledger.placeOn(channel) ?? 0;
        if (place < tail) count += 1;
      }
    }
    return count;
  }

  /** What is wrong with where each session stands, given the tails, once everything under way is done. */
  check(tails: Cursors): string[] {
    const due = this.#seats.map(() => new Set<string>());
    for (const [number, channel] of this.#channels.entries()) {
      for (const at of this.#members.members(number)) due[at]?.add(channel);
    }
    return this.#seats.flatMap(({ session, at }) => this.#checkSession(session, at, due[at] ?? new Set(), tails));
  }

  #checkSession({ ledger }: ReturningSession, at: number, due: ReadonlySet<string>, tails: Cursors): string[] {
    // Only of channels that its user is in for certain.
    const ends = [...due].flatMap((channel) => {
      const tail = tails[channel];
      return tail === undefined ? [] : [[channel, tail] as const];
    });
    const wrong = [ledger.failure, ledger.missing(Object.fromEntries(ends))].filter((one) => one !== undefined);
    for (const stream of ledger.following()) {
      const number = this.#numbers.get(stream);
      if (number === undefined || due.has(stream) || this.#members.isUnsure(number, at)) continue;
      wrong.push(`a session still follows ${stream}, which its user left`);
    }
    const never = [...due].find((channel) => ledger.placeOn(channel) === undefined);
    return never === undefined ? wrong : [...wrong, `a session does not follow ${never}, where its user is a member`];
  }

  #makeSeat(api: string, user: BenchUser, at: number): Seat {
    const session = new ReturningSession(api, user, {
      onRead: () => (this.#readAtUs = this.#machine.nowUs()),
      onMessage: (channel, seq, frame, live) => this.#takeMessage(channel, seq, frame, live),
      onOther: (frame) => this.#takeOther(seat, frame),
      onClose: () => this.#ended(seat),
    });
    const seat: Seat = { at, session, asked: undefined };
    return seat;
  }

  async #comeBack(seat: Seat, done: () => void): Promise<void> {
    await this.#arrive(seat);
    done();
  }

  async #arrive({ session }: Seat): Promise<void> {
    try {
      if ((await session.arrive()) === undefined) this.#fail('a session could not come back');
    } catch (error) {
      this.#fail(`a session could not come back: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** W2 */
  #ended(seat: Seat): void {
    this.#endedByServers += 1;
    this.#members.abandon(seat.at);
    this.drop(seat.at);
    this.come(seat.at, () => undefined);
  }

  #takeMessage(channel: string, seq: number, frame: string, live: boolean): void {
    const ours = ourText.exec(frame);
    this.#posts.note(channel, seq);
    if (ours === null) return;
    this.#deliveries += 1;
    if (live) this.#latency.record(this.#readAtUs - Number(ours[1]));
    else this.#replayed += 1;
    const wrong = this.#posts.see(channel, seq, Number(ours[2]));
    if (wrong !== undefined) this.#fail(wrong);
  }

  #takeOther(seat: Seat, frame: OtherFrame): void {
    const { type, channel, user } = frame;
    if (type === 'presence_change') return this.#takePresence(seat, frame);
    if (typeof channel !== 'string') return;
    if (type === 'user_typing') return this.#takeTyping(`${channel} ${String(user)}`);
    if (typeof frame.seq === 'number' && frame.stream === undefined) this.#posts.note(channel, frame.seq);
    const isOwn = user === seat.session.user.id && (type === 'member_joined_channel' || type === 'member_left_channel');
    const number = isOwn ? this.#numbers.get(channel) : undefined;
    if (number !== undefined) this.#members.shown(number, seat.at);
  }

  #takePresence(seat: Seat, { user, users }: OtherFrame): void {
    const named: readonly unknown[] = Array.isArray(users) ? users : [user];
    const { asked } = seat;
    if (asked === undefined || !named.some((one) => asked.users.has(String(one)))) return;
    seat.asked = undefined;
    this.#meter.done('presence', this.#readAtUs - asked.dueUs);
  }

  /** W3 */
  #takeTyping(key: string): void {
    const dueUs = this.#typing.get(key);
    if (dueUs !== undefined) this.#meter.done('typing', this.#readAtUs - dueUs);
  }
}
