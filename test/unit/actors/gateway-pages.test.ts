import { describe, expect, test } from 'vitest';
import type { Page } from '../../../actors/gateway-messages.ts';
import { GatewayPages, type PageRequest } from '../../../actors/gateway-pages.ts';
import type { CommandSender } from '../../../cluster/command-sender.ts';
import { slotOf } from '../../../cluster/slots.ts';
import type { EventsFound, SlotCommand } from '../../../protocol/commands.ts';
import { rejected, retryable } from '../../../protocol/errors.ts';
import type { StreamId, UserId } from '../../../protocol/ids.ts';
import { ScriptedOwner, TEAM } from '../../support/scripted-owner.ts';

type Events = Extract<SlotCommand, { kind: 'events' }>;

const limits = {
  resumeReadEventsMax: 10,
  resumeReadsPerGatewayMax: 3,
  resumeReadsPerCommandMax: 2,
  pageCacheBytesMax: 100_000,
  pageCacheAgeMs: 1_000,
};
const ALICE = 'U0ALICE' as UserId;
const CHANNEL = 'C0GENERAL' as StreamId;

/** Streams of one slot, so that their reads can share a command. */
const neighbours = Array.from({ length: 100_000 }, (_, n) => `C${String(n).padStart(7, '0')}` as StreamId)
  .filter((stream) => slotOf(stream) === 7)
  .slice(0, 5);

function lab() {
  const owner = new ScriptedOwner('worker-1');
  owner.eventsPerPage = limits.resumeReadEventsMax;
  const commands: Events['entries'][] = [];
  const turns: (() => void)[] = [];
  let nowMs = 0;
  /** Makes the next answers; undefined: as the owner does. */
  let scripted: ((entries: Events['entries']) => EventsFound[] | undefined) | undefined;
  const find = ([stream, after, upTo]: Events['entries'][number]): EventsFound => ({
    kind: 'page',
    ...owner.page(stream, after, upTo),
  });
  const toSlot = (_slot: number, { entries }: Events) => {
    commands.push(entries);
    return Promise.resolve({ ok: true, result: { found: scripted?.(entries) ?? entries.map(find) } });
  };
  const sender = { toSlot } as unknown as Pick<CommandSender, 'toSlot'>;
  const pages = new GatewayPages({
    clock: { monotonicMs: () => nowMs, defer: (run) => turns.push(run) },
    sender,
    limits,
  });
  const read = (stream: StreamId, after: number, upTo: number): Promise<Page> =>
    pages.read({ stream, after, upTo, team: TEAM } satisfies PageRequest);
  /** Turns of the event loop until nothing is left to do. */
  const settle = async () => {
    while (turns.length > 0) {
      for (const run of turns.splice(0)) run();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const fill = (stream: StreamId, count: number) => {
    for (let n = 0; n < count; n += 1) owner.say(stream, ALICE, `e${n}`);
  };
  return {
    ...{ commands, turns, read, settle, fill },
    pass: (durationMs: number) => (nowMs += durationMs),
    script: (answer: typeof scripted) => (scripted = answer),
  };
}

const seqs = (page: Page) => (page.kind === 'page' ? page.events.map(({ seq }) => seq) : page);

describe('pages for sessions that catch up', () => {
  test('are read once for all who miss the same, and encoded once', async () => {
    const { read, settle, fill, commands } = lab();
    fill(CHANNEL, 4);
    const reads = [read(CHANNEL, 0, 4), read(CHANNEL, 0, 4), read(CHANNEL, 2, 4)];
    await settle();
    const found = await Promise.all(reads);
    expect(found.map(seqs)).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [3, 4],
    ]);
    expect(commands).toHaveLength(1);
    const frames = found.map((page) => (page.kind === 'page' ? page.events.at(-1)?.frame : undefined));
    expect(new Set(frames).size).toBe(1);
    expect(seqs(await read(CHANNEL, 1, 3))).toEqual([2, 3]);
    expect(commands).toHaveLength(1);
  });

  test('are read again when they have grown old', async () => {
    const { read, settle, fill, commands, pass } = lab();
    fill(CHANNEL, 4);
    const first = read(CHANNEL, 0, 4);
    await settle();
    await first;
    pass(limits.pageCacheAgeMs);
    const second = read(CHANNEL, 0, 4);
    await settle();
    expect(seqs(await second)).toEqual([1, 2, 3, 4]);
    expect(commands).toHaveLength(2);
  });

  test('of a long gap go on where the last one ended, for whoever stands there', async () => {
    const { read, settle, fill } = lab();
    fill(CHANNEL, 25);
    const [first, middle, late] = [read(CHANNEL, 0, 25), read(CHANNEL, 9, 25), read(CHANNEL, 20, 25)];
    await settle();
    expect(seqs(await first)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(seqs(await middle)).toEqual([10]);
    expect(seqs(await late)).toEqual([21, 22, 23, 24, 25]);
  });

  test('of one slot leave in one command, a bounded number at a time', async () => {
    const { read, settle, fill, commands, turns } = lab();
    for (const stream of neighbours) fill(stream, 1);
    const reads = neighbours.map((stream) => read(stream, 0, 1));
    for (const run of turns.splice(0)) run();
    expect(commands.map((entries) => entries.length)).toEqual([2, 1]);
    await new Promise((resolve) => setImmediate(resolve));
    await settle();
    expect((await Promise.all(reads)).map(seqs)).toEqual(neighbours.map(() => [1]));
    expect(commands.flat()).toHaveLength(neighbours.length);
  });

  test('that did not fit are asked for again; what failed is said to all who wait', async () => {
    const { read, settle, fill, script, commands } = lab();
    const [a, b] = neighbours as [StreamId, StreamId];
    for (const stream of [a, b]) fill(stream, 1);
    script((entries) => {
      if (commands.length > 1) return undefined;
      return entries.map((_, at) => (at === 0 ? { kind: 'failed', failure: retryable('log') } : { kind: 'later' }));
    });
    const reads = [read(a, 0, 1), read(a, 0, 1), read(b, 0, 1)];
    await settle();
    expect((await Promise.all(reads)).map(seqs)).toEqual([
      { kind: 'failed', rejected: false },
      { kind: 'failed', rejected: false },
      [1],
    ]);
    script(() => [{ kind: 'failed', failure: rejected('invalid_arguments') }]);
    const refused = read(a, 0, 1);
    await settle();
    expect(await refused).toEqual({ kind: 'failed', rejected: true });
  });
});
