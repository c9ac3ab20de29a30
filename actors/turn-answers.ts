/**
 * The answers of a turn that is committed: what each of its messages gets back, at once or, where the past has to be
 * read or members have to be told first, a little later.
 */
import { assert } from '../platform/assert.ts';
import { limits } from '../platform/limits.ts';
import type { StreamCommand, StreamResults } from '../protocol/commands.ts';
import { retryable, unknownFate, type Failure } from '../protocol/errors.ts';
import type { DurableEvent } from '../protocol/events.ts';
import { typingFrame } from '../protocol/frames.ts';
import type { UserId } from '../protocol/ids.ts';
import type { Hydrated } from './activation.ts';
import type { Ticket } from './answers.ts';
import type { StreamState } from './channel-state.ts';
import type { MembershipOutbox } from './membership-outbox.ts';
import { usersOf } from './membership-notes.ts';
import type { Publisher } from './publisher.ts';
import { refuseSubscriber, type Step } from './stream-decide.ts';
import { TypingThrottle } from './typing-throttle.ts';
import type { StreamHome } from './worker-context.ts';

export type ActorMessage =
  | { readonly kind: 'command'; readonly command: StreamCommand; readonly ticket: Ticket }
  /** May the user subscribe? Undefined: yes. */
  | { readonly kind: 'admit'; readonly user: UserId; readonly done: (failure: Failure | undefined) => void }
  /** The committed state; undefined when it is not to be had. `toListen`: somebody is about to, from where it ends. */
  | { readonly kind: 'look'; readonly toListen: boolean; readonly done: (state: StreamState | undefined) => void };

/** A message of the turn, what was decided, and the seq of its first event. */
export interface Item {
  readonly message: ActorMessage;
  readonly step: Step | undefined;
  readonly seq: number;
  readonly events: readonly DurableEvent[];
  readonly result: unknown;
}

const REPLY_BYTES = 256;
const POST_REPLY_BYTES = 32;
const USER_BYTES = 48;

export class TurnAnswers {
  readonly #home: StreamHome;
  readonly #publisher: Publisher;
  readonly #notes: MembershipOutbox;
  readonly #ready: () => Hydrated;
  #typing: TypingThrottle | undefined;

  constructor(home: StreamHome, publisher: Publisher, notes: MembershipOutbox, ready: () => Hydrated) {
    this.#home = home;
    this.#publisher = publisher;
    this.#notes = notes;
    this.#ready = ready;
  }

  answer(item: Item): void {
    const { message, step } = item;
    if (message.kind === 'admit') return message.done(refuseSubscriber(this.#ready().state, message.user));
    if (message.kind === 'look') return message.done(this.#ready().state);
    const { ticket, command } = message;
    const { answers } = this.#home.context;
    switch (step?.kind) {
      case 'commit':
      case 'already':
      case 'duplicate':
        return command.kind === 'post' ? this.#answerPost(item, ticket) : this.#answerChange(item, command, ticket);
      case 'answer':
        return answers.result(ticket, step.result, step.bytes);
      case 'refused':
        return answers.failure(ticket, step.failure);
      case 'history':
        return this.#answerHistory(ticket, step.command);
      case 'typing':
        this.#tellTyping(step.command);
        return answers.result(ticket, {}, REPLY_BYTES);
      case 'presence':
        return this.#answerPresence(ticket);
      case undefined:
        return;
      default:
        step satisfies never;
    }
  }

  /** What was posted, its sender knows: only what it could not is answered. */
  #answerPost({ seq, events }: Item, ticket: Ticket): void {
    const [event] = events;
    if (event === undefined) return this.#answerRepeatedPost(ticket, seq);
    const result: StreamResults['post'] = { seq, ts: event.ts };
    this.#home.context.answers.result(ticket, result, POST_REPLY_BYTES);
  }

  #answerChange({ result }: Item, command: StreamCommand, ticket: Ticket): void {
    const { answers } = this.#home.context;
    const users = usersOf(command);
    const reply = () => answers.result(ticket, result, REPLY_BYTES + users.length * USER_BYTES);
    if (users.length === 0) return reply();
    // The next owner finds that the change stands, and tells who has to hear of it before it answers.
    const lost = () => answers.failure(ticket, unknownFate('members are not told yet'));
    // A member's own list of channels is right as soon as the change is answered.
    this.#notes.whenDelivered(users, this.#home.entry.seq, reply, lost);
    if (this.#home.closing()) this.#notes.letGo();
  }

  #answerRepeatedPost(ticket: Ticket, seq: number): void {
    const { stream } = this.#home.entry;
    const query = { after: seq - 1, upTo: seq, limit: 1 };
    this.#beside(ticket, async () => {
      const read = await this.#home.reads.events(stream, this.#ready().log.position, query);
      const [message] = read.ok ? read.value.events : [];
      if (message === undefined) return this.#home.context.answers.failure(ticket, retryable('first result not read'));
      const { event: first } = message;
      const result: StreamResults['post'] = { seq, ts: first.ts, first };
      this.#home.context.answers.result(ticket, result, REPLY_BYTES + ticket.bytes);
    });
  }

  #answerHistory(ticket: Ticket, command: Extract<StreamCommand, { kind: 'history' }>): void {
    const { context, entry } = this.#home;
    const { position } = this.#ready().log;
    this.#beside(ticket, async () => {
      const page = await this.#home.reads.history(entry.stream, position, command);
      if (page.ok) context.answers.result(ticket, page.value, limits.readAnswerBytesMax);
      else context.answers.failure(ticket, page.failure);
    });
  }

  /** Beside the turns, bounded over the worker. */
  #beside(ticket: Ticket, work: () => Promise<void>): void {
    const { answers, reads } = this.#home.context;
    if (!reads.run(work)) answers.failure(ticket, retryable('too many reads'));
  }

  #tellTyping(command: Extract<StreamCommand, { kind: 'typing' }>): void {
    const { user, origin, threadTs } = command;
    this.#typing ??= new TypingThrottle(this.#home.context.clock);
    if (!this.#typing.allows(user)) return;
    const frame = Buffer.from(JSON.stringify(typingFrame(this.#home.entry.stream, user, threadTs)));
    this.#publisher.transient(frame, origin);
  }

  #answerPresence(ticket: Ticket): void {
    const { state } = this.#ready();
    assert(state.kind === 'user', 'channel-actor/presence-of-a-user');
    const presence = this.#home.presence(state.stream, state.manualAway);
    this.#home.context.answers.result(ticket, presence, REPLY_BYTES);
  }
}

/** The message gets no other answer than this. */
export function refuse(home: Pick<StreamHome, 'context'>, message: ActorMessage, failure: Failure): void {
  switch (message.kind) {
    case 'command':
      return home.context.answers.failure(message.ticket, failure);
    case 'admit':
      return message.done(failure);
    case 'look':
      return message.done(undefined);
    default:
      message satisfies never;
  }
}
