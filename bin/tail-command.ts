/**
 * `belfry tail`: prints a channel's messages as they come, as `nats sub` does. It resumes after every interruption, so
 * that its output has each message once, in order; when that cannot be, it says so on stderr.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../platform/clock.ts';
import type { Output } from '../platform/config.ts';
import { callApi, callPatiently, CommandFailure, must, textField, type ApiTarget } from './api-client.ts';
import { runSession, type Cursors, type Frame } from './tail-session.ts';
import { printable, timeOfDay } from './terminal-text.ts';

const backoffFirstMs = 100;
const backoffLastMs = 5_000;
const namesMax = 10_000;
/** Lines that wait for a name. Beyond: they are printed with the user's id. */
const linesWaitingMax = 1_000;

/** Runs until the server says that reconnecting is no use. @throws CommandFailure */
export async function tail(target: ApiTarget, name: string, output: Output, clock: Clock): Promise<never> {
  const channel = await findChannel(target, name, clock);
  const printer = new MessagePrinter(target, output);
  const position = new Position(channel, output);
  for (let failures = 0; ; failures += 1) {
    const seqBefore = position.seq;
    const end = await runSession(
      target,
      {
        onHello: (cursors) => position.resumeFrom(cursors),
        onFrame: (frame) => {
          if (position.accept(frame)) printer.print(frame);
        },
      },
      clock,
    );
    if (end.kind === 'never') throw new CommandFailure(`tail ended: ${end.why}`);
    if (position.seq !== seqBefore) failures = 0;
    await clock.sleep(Math.min(backoffFirstMs * 2 ** Math.min(failures, 10), backoffLastMs));
  }
}

/** How far the channel has been printed. */
class Position {
  readonly #channel: string;
  readonly #output: Output;
  #seq: number | undefined;

  constructor(channel: string, output: Output) {
    this.#channel = channel;
    this.#output = output;
  }

  get seq(): number | undefined {
    return this.#seq;
  }

  /** The first session starts at hello's cursor; a later one where the last one ended. */
  resumeFrom(cursors: Cursors): Cursors {
    this.#seq ??= cursors[this.#channel];
    return this.#seq === undefined ? {} : { [this.#channel]: this.#seq };
  }

  /** True for a message of the channel that was not printed before. */
  accept(frame: Frame): boolean {
    if (frame['channel'] !== this.#channel || frame['stream'] !== undefined) return false;
    if (frame['type'] === 'resync') this.#lost(Number(frame['from']));
    const seq = frame['seq'];
    if (typeof seq !== 'number' || seq <= (this.#seq ?? 0)) return false;
    this.#seq = seq;
    return frame['type'] === 'message' && frame['hidden'] !== true;
  }

  #lost(from: number): void {
    this.#output.err(`belfry: messages after seq ${from} cannot be replayed; conversations.history has them\n`);
    this.#seq = Math.max(this.#seq ?? 0, from);
  }
}

/** Prints in order, though a name may have to be asked for first. */
class MessagePrinter {
  readonly #target: ApiTarget;
  readonly #output: Output;
  readonly #names = new LRUCache<string, string>({ max: namesMax });
  #printed: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(target: ApiTarget, output: Output) {
    this.#target = target;
    this.#output = output;
  }

  print(frame: Frame): void {
    this.#waiting += 1;
    const mayAsk = this.#waiting <= linesWaitingMax;
    this.#printed = this.#printed.then(async () => {
      const user = textField(frame, 'user');
      const name = this.#names.get(user) ?? (mayAsk ? await this.#ask(user) : user);
      this.#output.out(
        `${timeOfDay(textField(frame, 'ts'))} ${printable(name)} ${printable(textField(frame, 'text'))}\n`,
      );
      this.#waiting -= 1;
    });
  }

  async #ask(user: string): Promise<string> {
    const outcome = await callApi(this.#target, 'users.info', { user });
    if (outcome.kind !== 'ok') return user;
    const { name } = outcome.body['user'] as { name?: string };
    this.#names.set(user, name ?? user);
    return name ?? user;
  }
}

type Channel = { readonly id: string; readonly name?: string; readonly is_member?: boolean };

async function findChannel(target: ApiTarget, name: string, clock: Clock): Promise<string> {
  const channel = /^[CGD][A-Z0-9]{4,}$/.test(name)
    ? await byId(target, name, clock)
    : await byName(target, name, clock);
  if (channel.is_member === false)
    throw new CommandFailure(`${name}: not_in_channel; only members receive a channel's messages`);
  return channel.id;
}

async function byId(target: ApiTarget, id: string, clock: Clock): Promise<Channel> {
  const outcome = await callPatiently(target, 'conversations.info', { channel: id }, clock);
  return must(target, 'conversations.info', outcome)['channel'] as Channel;
}

async function byName(target: ApiTarget, name: string, clock: Clock): Promise<Channel> {
  const wanted = name.replace(/^#/, '');
  for (let cursor = ''; ; ) {
    const args = { types: 'public_channel,private_channel', limit: 500, cursor };
    const body = must(target, 'conversations.list', await callPatiently(target, 'conversations.list', args, clock));
    const found = (body['channels'] as Channel[]).find((channel) => channel.name === wanted);
    if (found !== undefined) return found;
    cursor = (body['response_metadata'] as { next_cursor?: string } | undefined)?.next_cursor ?? '';
    if (cursor === '') throw new CommandFailure(`${name}: channel_not_found`);
  }
}
