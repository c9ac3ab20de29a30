import { beforeEach, expect, test } from 'vitest';
import { ActorCell, type Activation, type Behaviour } from '../../../actors/actor-cell.ts';
import { Mailbox } from '../../../actors/mailbox.ts';
import { Passivation } from '../../../actors/passivation.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { createMemoryLogger } from '../../../platform/logger.ts';
import { RecordedWaits } from '../../support/recorded-waits.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

let clock: ManualClock;
let waits: RecordedWaits;
let handled: string[];
let refused: string[];
let made: number;
let activation: Activation;
let gatherings: Promise<void>[];
let turns: ((taken: string[]) => Promise<void>)[];

beforeEach(() => {
  clock = new ManualClock();
  waits = new RecordedWaits();
  handled = [];
  refused = [];
  made = 0;
  gatherings = [];
  turns = [];
  activation = { kind: 'ready' };
});

/** Takes everything there is; a turn given by the test decides when and how it ends. */
class Recorder implements Behaviour<string> {
  #taken: string[] = [];
  activate(): Promise<Activation> {
    return Promise.resolve(activation);
  }
  gather(): Promise<void> | undefined {
    return gatherings.shift();
  }
  async turn(mailbox: Mailbox<string>): Promise<'done'> {
    this.#taken = mailbox.drain();
    await turns.shift()?.(this.#taken);
    handled.push(...this.#taken);
    this.#taken = [];
    return 'done';
  }
  unanswered(): readonly string[] {
    return this.#taken;
  }
  busy(): boolean {
    return false;
  }
  dispose(): void {}
}

function makeCell(logger = createMemoryLogger().logger) {
  return new ActorCell<string, Recorder>({
    name: 'C1',
    clock,
    logger,
    mailbox: { messagesMax: 3, bytesMax: 100 },
    restartsMax: 2,
    restartWindowMs: 1_000,
    create: () => {
      made += 1;
      return new Recorder();
    },
    refuse: (message, failure) => void refused.push(`${message}: ${failure.kind}`),
    idle: () => {},
    waits,
  });
}

test('what comes during a turn waits for its end and then goes together', async () => {
  const cell = makeCell();
  let end = (): void => {};
  const groups: string[][] = [];
  turns = [
    (taken) => {
      groups.push(taken);
      return new Promise((resolve) => (end = resolve));
    },
    async (taken) => void groups.push(taken),
  ];
  cell.tell('a', 1);
  await settle();
  cell.tell('b', 1);
  cell.tell('c', 1);
  await settle();
  expect(groups).toEqual([['a']]);
  end();
  await cell.idle();
  expect(groups).toEqual([['a'], ['b', 'c']]);
});

test('each turn counts once, with how long its oldest message waited for the turn before it; gathering is not that', async () => {
  const cell = makeCell();
  let end = (): void => {};
  cell.tell('a', 1);
  await cell.idle();
  expect(waits.take()).toEqual([0]);
  turns = [() => new Promise((resolve) => (end = resolve))];
  cell.tell('b', 1);
  expect(waits.take()).toEqual([0]);
  cell.tell('c', 1);
  clock.advance(3);
  cell.tell('d', 1);
  clock.advance(4);
  let gathered = (): void => {};
  gatherings = [new Promise((resolve) => (gathered = resolve))];
  end();
  await settle();
  expect(waits.take()).toEqual([7]);
  clock.advance(2);
  cell.tell('e', 1);
  gathered();
  await cell.idle();
  cell.tell('f', 1);
  await cell.idle();
  expect(waits.take()).toEqual([0]);
  expect(handled).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
});

test('a full mailbox takes nothing more, by count and by bytes', () => {
  const mailbox = new Mailbox<number>({ messagesMax: 3, bytesMax: 100 });
  expect([
    mailbox.push(1, 10),
    mailbox.push(2, 91),
    mailbox.push(3, 90),
    mailbox.push(4, 0),
    mailbox.push(5, 0),
  ]).toEqual([true, false, true, true, false]);
  expect([mailbox.shift(), mailbox.size, mailbox.bytes]).toEqual([1, 2, 90]);
});

test('a bug costs the turn its messages, as unknown, and the next message begins anew', async () => {
  const { logger, lines } = createMemoryLogger();
  const cell = makeCell(logger);
  turns = [() => Promise.reject(new Error('bug'))];
  cell.tell('a', 1);
  await cell.idle();
  expect(refused).toEqual(['a: unknown']);
  expect(lines).toMatchObject([{ event: 'actor_failed', actor: 'C1' }]);
  cell.tell('b', 1);
  await cell.idle();
  expect(handled).toEqual(['b']);
  expect(made).toBe(2);
});

test('an actor that keeps failing is left alone for a while', async () => {
  const cell = makeCell();
  turns = [() => Promise.reject(new Error('bug')), () => Promise.reject(new Error('bug'))];
  for (const message of ['a', 'b', 'c']) {
    cell.tell(message, 1);
    await cell.idle();
  }
  expect(refused).toEqual(['a: unknown', 'b: unknown', 'c: retryable']);
  expect(made).toBe(2);
  clock.advance(1_001);
  cell.tell('d', 1);
  await cell.idle();
  expect(handled).toEqual(['d']);
});

test('a state that is not to be had refuses what waits, and is tried again later', async () => {
  const cell = makeCell();
  activation = { kind: 'unavailable', reason: 'log' };
  cell.tell('a', 1);
  await cell.idle();
  expect(refused).toEqual(['a: retryable']);
  activation = { kind: 'ready' };
  cell.tell('b', 1);
  await cell.idle();
  expect(handled).toEqual(['b']);
});

test('a stopped cell finishes its turn and refuses the rest', async () => {
  const cell = makeCell();
  let end = (): void => {};
  turns = [() => new Promise((resolve) => (end = resolve))];
  cell.tell('a', 1);
  await settle();
  cell.tell('b', 1);
  cell.stop('moved');
  end();
  await cell.idle();
  cell.tell('c', 1);
  expect(handled).toEqual(['a']);
  expect(refused).toEqual(['b: retryable', 'c: retryable']);
});

test('the actor unused for longest goes first, when it is idle long enough or memory is short; never a busy one', () => {
  const gone: string[] = [];
  const actor = (name: string, busy = false) => ({ passivate: () => !busy && gone.push(name) > 0 });
  const passivation = new Passivation({ clock, idleMs: 1_000, bytesMax: 100, sweepMs: 10_000 });
  const [a, b, busy] = [actor('a'), actor('b'), actor('busy', true)];
  passivation.used(busy, 10);
  passivation.used(a, 10);
  clock.advance(600);
  passivation.used(b, 10);
  clock.advance(500);
  passivation.sweep();
  expect(gone).toEqual(['a']);
  passivation.used(b, 200);
  passivation.sweep();
  expect(gone).toEqual(['a', 'b']);
  expect(passivation.count).toBe(1);
});

test('a turn that gathers takes what came meanwhile, and does not begin after a stop', async () => {
  let end = (): void => {};
  gatherings = [new Promise((resolve) => (end = resolve)), new Promise(() => undefined)];
  const cell = makeCell();
  cell.tell('a', 1);
  await settle();
  cell.tell('b', 1);
  expect(handled).toEqual([]);
  end();
  await settle();
  expect(handled).toEqual(['a', 'b']);
  cell.tell('c', 1);
  await settle();
  cell.stop('test');
  expect(refused).toEqual(['c: retryable']);
});
