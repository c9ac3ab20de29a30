/** Pages of history, from memory and from the log: the same, whatever is asked. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { slotOf } from '../../../cluster/slots.ts';
import { systemClock } from '../../../platform/clock.ts';
import type { SequencedEvent } from '../../../protocol/events.ts';
import { isTopLevel } from '../../../protocol/frames.ts';
import { ALICE, BOB, channelMeta, GENERAL, LabClient, LabWorker, mutation, post } from '../../support/actor-lab.ts';

const SLOT = slotOf(GENERAL);
const POSTS = 60;

let webapp: LabClient;
/** Has the channel's events in memory, and one whose memory is empty. */
let hot: LabWorker;
let cold: LabWorker;
let all: readonly SequencedEvent[];

beforeAll(async () => {
  const hub = new MemoryBrokerHub({ clock: systemClock });
  await hub.provision({ partitions: 1, replicas: 1 });
  webapp = new LabClient(hub.connect('webapp'), 'webapp');
  hot = new LabWorker(hub.connect('worker-1'), 'worker-1', systemClock);
  for (const slot of new Set([SLOT, slotOf(ALICE), slotOf(BOB)])) hot.own(slot);
  await webapp.ask(GENERAL, { kind: 'open', meta: channelMeta(), members: [ALICE], mutation: mutation('o') });
  for (let i = 0; i < POSTS; i++) {
    const { ts } = await webapp.ask(GENERAL, post(ALICE, `text ${i}`, i));
    if (i % 7 === 0) {
      const reply = post(ALICE, 'reply', `r${i}`);
      const draft = { text: 'reply', threadTs: ts, broadcast: i % 2 === 0 };
      await webapp.ask(GENERAL, { ...reply, draft });
    }
    if (i % 11 === 0)
      await webapp.ask(GENERAL, { kind: i % 2 ? 'leave' : 'join', user: BOB, mutation: mutation(`b${i}`) });
  }
  const { found } = await webapp.askSlot(GENERAL, { kind: 'events', entries: [[GENERAL, 0, 1e6]] });
  all = found[0]?.kind === 'page' ? found[0].events : [];
  hot.deafen();
  cold = new LabWorker(hub.connect('worker-2'), 'worker-2', systemClock);
  cold.own(SLOT);
});
afterAll(() => {
  hot.stop();
  cold.stop();
});

test('any bounds give exactly the messages between them, newest first, page by page', async () => {
  const bound = fc.option(fc.tuple(fc.nat(100), fc.integer({ min: -1, max: 1 })), { nil: undefined });
  const query = fc.record({
    oldest: bound,
    latest: bound,
    inclusive: fc.boolean(),
    limit: fc.integer({ min: 1, max: 40 }),
  });
  await fc.assert(
    fc.asyncProperty(query, fc.constantFrom('hot', 'cold'), async ({ oldest, latest, inclusive, limit }, where) => {
      const at = (one: readonly [number, number] | undefined) =>
        one === undefined ? undefined : all[one[0] % all.length]!.event.ts + one[1];
      const [from, to] = [at(oldest), at(latest)];
      const expected = all
        .filter(({ event }) => isTopLevel(event.body))
        .filter(({ event }) => from === undefined || (inclusive ? event.ts >= from : event.ts > from))
        .filter(({ event }) => to === undefined || (inclusive ? event.ts <= to : event.ts < to))
        .map(({ seq }) => seq)
        .reverse();
      const bounds = {
        inclusive,
        limit,
        ...(from !== undefined && { oldest: from }),
        ...(to !== undefined && { latest: to }),
      };
      const worker = where === 'hot' ? hot : cold;
      const seen: number[] = [];
      for (let before: number | undefined; ; ) {
        const more = before === undefined ? {} : { before };
        const page = await worker.direct(GENERAL, { kind: 'history', viewer: ALICE, ...bounds, ...more });
        if (!page.ok) throw new Error(JSON.stringify(page));
        expect(page.result.messages.length).toBeLessThanOrEqual(limit);
        seen.push(...page.result.messages.map(({ seq }) => seq));
        if (!page.result.more) break;
        before = page.result.next;
      }
      expect(seen).toEqual(expected);
    }),
    { numRuns: 150 },
  );
});
