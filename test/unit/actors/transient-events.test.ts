/** What typing and presence may cost a post (G9), on a clock that stands still. */
import { expect, test } from 'vitest';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { slotOf } from '../../../cluster/slots.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import {
  ALICE,
  BOB,
  channelMeta,
  GENERAL,
  LabClient,
  LabGateway,
  LabWorker,
  mutation,
  post,
} from '../../support/actor-lab.ts';

test('a post behind a flood of typing and presence waits for none of it, but for one window of its channel', async () => {
  const clock = new ManualClock();
  const hub = new MemoryBrokerHub({ clock });
  await hub.provision({ partitions: 1, replicas: 1 });
  const worker = new LabWorker(hub.connect('worker-1'), 'worker-1', clock);
  for (const stream of [GENERAL, ALICE, BOB]) worker.own(slotOf(stream));
  const webapp = new LabClient(hub.connect('webapp'), 'webapp', clock);
  const gateway = new LabGateway(hub.connect('gateway-1'), 'gateway-1', clock);
  const open = { kind: 'open', meta: channelMeta(), members: [ALICE, BOB], mutation: mutation('open') } as const;
  const opened = webapp.ask(GENERAL, open);
  await clock.advanceAndSettle(limits.sendSpacingMs);
  await opened;
  await clock.advanceAndSettle(1_000);

  const flood = Array.from({ length: 400 }, (_, n) => [
    webapp.router.toStream(GENERAL, { kind: 'typing', user: n % 2 === 0 ? ALICE : BOB }),
    webapp.router.toSlot(slotOf(GENERAL), {
      kind: 'sessions',
      gateway: gateway.ref,
      at: n,
      entries: [[BOB, n % 2, false]],
    }),
  ]).flat();
  let seq: number | undefined;
  const posted = webapp.ask(GENERAL, post(ALICE, 'hello', 'hello')).then((result) => (seq = result.seq));
  await clock.advanceAndSettle(limits.commitWindowMs + 1);
  expect(seq).toBe(2);
  await Promise.all([posted, ...flood]);
  worker.stop();
});
