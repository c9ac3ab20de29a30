/**
 * The actor of one stream: a conversation (C, G, D), a user's own (U) or the team's (T). A thin shell around
 * stream-decide: it takes what waits, decides it in order against the working state, appends all events as one record,
 * and only after the acknowledgement answers and fans out.
 *
 * Invariants:
 * C1  Nothing of a decision is answered or fanned out before its record is acknowledged (G1); answers without events
 *     that were decided in the same turn wait for it too, so that nobody sees what is not yet committed.
 * C2  One append in flight. What arrives meanwhile waits in the mailbox, repeats of commands in flight included; under
 *     load a little longer, so that more of it goes into one record (commit-window.ts).
 * C3  Events are fanned out in the order of their seq, each once, ours and those that another owner appended alike.
 * C4  When others' records came first, the state is built anew from the log and every command of the turn is decided
 *     again, dedupe included (G3).
 * C5  After `fenced` or `abandoned` the state is dropped: it holds what may not be in the log.
 */
import type { AppendLog, AppendOutcome } from '../broker/append-log.ts';
import { assert, defined } from '../platform/assert.ts';
import { limits } from '../platform/limits.ts';
import { rejected, retryable, unknownFate, type Failure } from '../protocol/errors.ts';
import type { DurableEvent } from '../protocol/events.ts';
import { eventFrameBytes } from '../protocol/frames.ts';
import { hydrate, type Hydrated, type Hydration } from './activation.ts';
import type { Activation, Behaviour, TurnEnd } from './actor-cell.ts';
import type { Ticket } from './answers.ts';
import { apply } from './channel-state.ts';
import { CommitPace } from './commit-window.ts';
import { encodeHotActor } from './hot-state.ts';
import { isNobody } from './interest.ts';
import type { Mailbox } from './mailbox.ts';
import { MembershipOutbox } from './membership-outbox.ts';
import { notesOf } from './membership-notes.ts';
import { Publisher } from './publisher.ts';
import { decideStream, resultOf, type Step } from './stream-decide.ts';
import { SnapshotWriter } from './snapshot-writer.ts';
import { refuse, TurnAnswers, type ActorMessage, type Item } from './turn-answers.ts';
import { deadline, type StreamHome } from './worker-context.ts';

/** One of a small channel, as `belfry bench channels` sees them. */
const ACTOR_BYTES = 6_000;
const NO_EVENTS: readonly DurableEvent[] = [];
const eventsOf = ({ events }: Item): readonly DurableEvent[] => events;

export class ChannelActor implements Behaviour<ActorMessage> {
  readonly #home: StreamHome;
  readonly #publisher: Publisher;
  readonly #notes: MembershipOutbox;
  readonly #answers: TurnAnswers;
  readonly #snapshots: SnapshotWriter;
  readonly #pace = new CommitPace();
  #hydrated: Hydrated | undefined;
  #messages: ActorMessage[] = [];
  #items: Item[] = [];
  #events: readonly DurableEvent[] = NO_EVENTS;

  constructor(home: StreamHome) {
    this.#home = home;
    const { context, entry } = home;
    this.#publisher = new Publisher(context, entry);
    this.#snapshots = new SnapshotWriter(home);
    this.#notes = new MembershipOutbox({
      sender: context.sender,
      clock: context.clock,
      logger: context.logger,
      meta: () => (this.#hydrated?.state.kind === 'conversation' ? this.#hydrated.state.meta : undefined),
    });
    this.#answers = new TurnAnswers(home, this.#publisher, this.#notes, () => this.#ready());
  }

  /** Nothing was ever written to the stream: not worth an actor. */
  get isVoid(): boolean {
    return this.#hydrated === undefined || this.#hydrated.log.position.sequence === 0;
  }

  /** About how much memory it takes. */
  get bytes(): number {
    const state = this.#hydrated?.state;
    if (state === undefined) return ACTOR_BYTES;
    const size =
      state.kind === 'conversation' ? state.members.size : state.kind === 'user' ? state.memberships.size : 0;
    return ACTOR_BYTES + size * (state.kind === 'user' ? 300 : 24) + (state.posts.size + state.changes.size) * 120;
  }

  async activate(): Promise<Activation> {
    const { context } = this.#home;
    return new Promise((resolve, reject) => {
      const work = () => this.#hydrate().then(resolve, reject);
      if (!context.activations.run(work)) resolve({ kind: 'unavailable', reason: 'too many activations' });
    });
  }

  gather(): Promise<void> | undefined {
    return this.#home.context.commitWindow.enter(this.#pace);
  }

  turn(mailbox: Mailbox<ActorMessage>): Promise<TurnEnd> | TurnEnd {
    this.#take(mailbox);
    if (!this.#home.serving()) {
      this.#refuseTurn(retryable('not serving'));
      return 'done';
    }
    this.#decideAll();
    if (this.#events.length > 0 || this.#mustFence()) return this.#commit();
    this.#finish();
    return 'done';
  }

  unanswered(): readonly ActorMessage[] {
    return this.#messages;
  }

  busy(): boolean {
    return this.#notes.size > 0 || this.#snapshots.busy;
  }

  /** The slot is being handed over: its next owner tells members, and answers. */
  hurry(): void {
    this.#notes.letGo();
  }

  /** What its successor may begin with; only between turns. Undefined where there is nothing, or it is not all committed. */
  hot(): Uint8Array | undefined {
    const stored = this.#snapshots.stored();
    if (this.#hydrated === undefined || stored === undefined) return undefined;
    const { state, log } = this.#hydrated;
    const { position } = log;
    if (position.sequence === 0 || state.seq !== position.nextSeq - 1) return undefined;
    // Encoded it is about half of that: what would not fit is not worth the time.
    if (this.bytes > 2 * limits.hotChunkBytesMax) return undefined;
    const { context, entry, epoch } = this.#home;
    const tail = context.hotTails.latest(entry.stream, state.seq, limits.hotEventsBytesMax);
    const notes = this.#notes.pending();
    const hot = { position, state, notes, snapshot: stored.handle, snapshotSeq: stored.seq, tail };
    return encodeHotActor(hot, epoch, this.#snapshots.busy);
  }

  dispose(): void {
    this.#notes.close();
  }

  async #hydrate(): Promise<Activation> {
    const { context, signal } = this.#home;
    const limit = deadline(context.clock, signal, limits.commandBudgetMs);
    const hydration = await hydrate(this.#home, limit.signal);
    limit.done();
    const built = hydration.kind === 'hydrated' ? await this.#adopt(hydration) : hydration;
    if (built.kind === 'fenced') this.#home.fenced(built.epoch);
    if (built.kind === 'hydrated') return { kind: 'ready' };
    return { kind: 'unavailable', reason: built.kind === 'fenced' ? 'fenced' : built.reason };
  }

  /** Takes the state over and fans out what the stream's subscribers have not seen (C3). */
  async #adopt(hydrated: Hydrated): Promise<Hydration> {
    const { entry } = this.#home;
    const { state, log } = hydrated;
    const missed = await this.#missed(log, state.seq);
    if (missed === undefined) return { kind: 'unavailable', reason: 'log' };
    this.#hydrated = hydrated;
    for (const { seq, event } of missed) this.#publisher.publish(seq, event);
    if (entry.seq >= 0 && entry.seq < state.seq) this.#publisher.resync(state.seq);
    entry.seq = state.seq;
    this.#snapshots.begin(hydrated.snapshot, hydrated.snapshotSeq, hydrated.onlyMessages);
    for (const note of hydrated.notes) this.#notes.add(note);
    return hydrated;
  }

  /** Events after the last one that was fanned out; none where nobody is known to listen, or where it is too many. */
  async #missed(log: AppendLog, seq: number): Promise<readonly { seq: number; event: DurableEvent }[] | undefined> {
    const { entry } = this.#home;
    if (entry.seq < 0 || entry.seq >= seq || isNobody(entry.interest)) return [];
    const query = { after: entry.seq, upTo: seq, limit: limits.logPageEventsMax };
    const read = await this.#home.reads.events(entry.stream, log.position, query);
    return read.ok ? read.value.events : undefined;
  }

  /** As many messages as go into one record. */
  #take(mailbox: Mailbox<ActorMessage>): void {
    let bytes = mailbox.nextBytes;
    const messages = [defined(mailbox.shift(), 'channel-actor/mailbox-has-next')];
    while (mailbox.size > 0 && messages.length < limits.recordEventsMax) {
      bytes += mailbox.nextBytes;
      if (bytes > limits.recordBytesMax) break;
      messages.push(defined(mailbox.shift(), 'channel-actor/mailbox-has-next'));
    }
    this.#messages = messages;
    this.#pace.takes(messages.length);
  }

  #decideAll(): void {
    // A record has one point in time: the clock is read once.
    const nowMicros = Math.floor(this.#home.context.clock.wallMs() * 1000);
    this.#items = this.#messages.map((message) => this.#decide(message, nowMicros));
    const [only] = this.#items;
    this.#events = only !== undefined && this.#items.length === 1 ? only.events : this.#items.flatMap(eventsOf);
  }

  #decide(message: ActorMessage, nowMicros: number): Item {
    const { state } = this.#ready();
    if (message.kind !== 'command') return { message, step: undefined, seq: 0, events: NO_EVENTS, result: undefined };
    const { command, ticket } = message;
    const step = this.#checkRoom(decideStream(state, command, nowMicros), ticket);
    const seq = step.kind === 'duplicate' ? step.seq : state.seq + 1;
    const events = step.kind === 'commit' ? step.events : NO_EVENTS;
    for (const event of events) apply(state, event);
    const settled = step.kind === 'commit' || step.kind === 'already' || step.kind === 'duplicate';
    const result = settled && command.kind !== 'post' ? resultOf(state, command, step, seq) : undefined;
    return { message, step, seq, events, result };
  }

  /** What was decided must fit: a frame into a batch, notes into the outbox. */
  #checkRoom(step: Step, ticket: Ticket): Step {
    if (step.kind !== 'commit') return step;
    const [first] = step.events;
    if (first?.body.kind !== 'message') {
      const full = this.#notes.size > limits.membershipNotesWaitingMax;
      return full ? { kind: 'refused', failure: retryable('members are still being told') } : step;
    }
    // JSON takes at most six bytes for one of ours: only unusual content needs to be measured.
    if (ticket.bytes * 6 < limits.eventFrameBytesMax) return step;
    const { length } = eventFrameBytes(this.#home.entry.stream, 0, first);
    return length > limits.eventFrameBytesMax ? { kind: 'refused', failure: rejected('msg_too_long') } : step;
  }

  /**
   * Nobody ever wrote here, and so nothing was fenced: anybody may ask for ids that do not exist. But who listens must not
   * miss what the former owner may still write first.
   */
  #mustFence(): boolean {
    if (!this.#home.fence || this.#ready().log.position.sequence > 0) return false;
    return this.#messages.some((message) => message.kind === 'look' && message.toListen);
  }

  /** `attempt`: counts those at which others' records came first. */
  #commit(attempt = 1): Promise<TurnEnd> {
    const place = this.#home.context.appends.enter();
    return place === undefined ? this.#append(attempt) : place.then(() => this.#append(attempt));
  }

  /** No async function: each would cost every post a few promises and the memory of its frame. */
  #append(attempt: number): Promise<TurnEnd> {
    const { context, epoch, signal } = this.#home;
    const startedMs = context.clock.monotonicMs();
    return this.#ready()
      .log.append(this.#events, epoch, signal)
      .then((outcome) => {
        context.appends.leave();
        context.appendTimer.observe(context.clock.monotonicMs() - startedMs);
        return this.#appended(outcome, attempt);
      });
  }

  #appended(outcome: AppendOutcome, attempt: number): Promise<TurnEnd> | TurnEnd {
    switch (outcome.kind) {
      case 'committed':
        return this.#committed(outcome.placed.bytes, outcome.fencedBy);
      case 'foreign':
        return this.#appendAgain(attempt);
      case 'fenced':
        this.#refuseTurn(retryable('fenced'));
        this.#home.fenced(outcome.epoch);
        return 'reset';
      case 'abandoned':
        return this.#refuseTurn(unknownFate('log did not answer'));
      case 'broken':
        this.#home.context.logger.error('log_broken', { stream: this.#home.entry.stream, detail: outcome.detail });
        return this.#refuseTurn(unknownFate('log is unusable'));
      default:
        return outcome satisfies never;
    }
  }

  /** Others' records came first (C4). */
  async #appendAgain(attempt: number): Promise<TurnEnd> {
    if (!(await this.#decideAgain())) return this.#refuseTurn(retryable('log'));
    if (this.#events.length === 0) {
      this.#finish();
      return 'done';
    }
    const giveUp = attempt >= limits.foreignRetriesMax || !this.#home.serving();
    return giveUp ? this.#refuseTurn(retryable('log keeps moving')) : this.#commit(attempt + 1);
  }

  #committed(bytes: number, fencedBy: number | undefined): TurnEnd {
    // Given up meanwhile: what is committed is the next owner's to tell.
    if (this.#home.signal.aborted) return this.#refuseTurn(unknownFate('slot moved'));
    this.#finish();
    const { state, log } = this.#ready();
    const onlyMessages = this.#events.every(({ body }) => body.kind === 'message');
    this.#snapshots.committed(state, this.#notes, { bytes, position: log.position, onlyMessages });
    if (fencedBy !== undefined) this.#home.fenced(fencedBy);
    return fencedBy === undefined ? 'done' : 'reset';
  }

  /** False: the log is not to be had. */
  async #decideAgain(): Promise<boolean> {
    const activation = await this.#hydrate();
    if (activation.kind !== 'ready' || this.#home.signal.aborted) return false;
    this.#decideAll();
    return true;
  }

  /** None of the turn's messages is carried out, as far as is known; the state may hold what is not in the log. */
  #refuseTurn(failure: Failure): TurnEnd {
    const messages = this.#messages;
    this.#messages = [];
    for (const message of messages) refuse(this.#home, message, failure);
    return 'reset';
  }

  /** Fans out and answers, item by item: an event is right before the answer to who caused it. */
  #finish(): void {
    for (const item of this.#items) {
      for (const [i, event] of item.events.entries()) this.#publish(item.seq + i, event, item.message);
      this.#answers.answer(item);
    }
    this.#messages = [];
    this.#items = [];
  }

  #publish(seq: number, event: DurableEvent, message: ActorMessage): void {
    assert(seq === this.#home.entry.seq + 1, 'channel-actor/fan-out-is-dense', { seq, last: this.#home.entry.seq });
    this.#publisher.publish(seq, event, message.kind === 'command' ? message.ticket.bytes : 0);
    for (const note of notesOf(seq, event.body)) this.#notes.add(note);
    const { state } = this.#ready();
    if (event.body.kind === 'manual-presence' && state.kind === 'user') {
      this.#home.manualPresenceChanged(state.stream, event.body.presence === 'away');
    }
  }

  #ready(): Hydrated {
    return defined(this.#hydrated, 'channel-actor/hydrated');
  }
}
