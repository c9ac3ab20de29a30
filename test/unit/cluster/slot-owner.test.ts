import { expect, it } from 'vitest';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { ControlChannel } from '../../../cluster/control-channel.ts';
import type { SlotHost } from '../../../cluster/slot-host.ts';
import { SlotOwner } from '../../../cluster/slot-owner.ts';
import { SlotTable } from '../../../cluster/slot-table.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { silentLogger } from '../../../platform/logger.ts';
import { SeededRng } from '../../../platform/rng.ts';
import type { SlotRow } from '../../../protocol/cluster.ts';
import type { Incarnation } from '../../../protocol/ids.ts';

const name = (text: string) => text as Incarnation;
const [self, other, manager] = [name('w1-A'), name('w2-B'), name('w3-C')];

function setUp() {
  const clock = new ManualClock();
  const hub = new MemoryBrokerHub({ clock, rng: new SeededRng(1) });
  const channel = (of: Incarnation) => {
    const { control, commands } = hub.connect(of);
    const channel = new ControlChannel(control, { role: 'worker', incarnation: of }, silentLogger);
    channel.listen();
    return { control: channel, commands };
  };
  const opened: (readonly [slot: number, epoch: number])[] = [];
  const host = {
    open: (slot: number, { epoch }: { epoch: number }) => opened.push([slot, epoch]),
    /** A slot whose last append is never acknowledged. */
    close: () => new Promise<void>(() => undefined),
    abandon: () => undefined,
    beforeAppend: () => undefined,
    onFenced: () => undefined,
  } as unknown as SlotHost;
  let table = SlotTable.empty;
  const owner = new SlotOwner({
    ...{ self, host, clock, logger: silentLogger, ...channel(self) },
    ...{ table: () => table, manager: () => manager, checkPulse: () => undefined },
  });
  owner.start();
  const follow = (row: SlotRow): void => {
    const previous = table;
    table = new SlotTable(previous.view + 1, { rows: [row] });
    owner.follow(table, previous);
  };
  return { clock, opened, follow, manager: channel(manager).control };
}

it('serves a slot that came back to it while it could not let it go, once it was told to', async () => {
  const { clock, opened, follow, manager: from } = setUp();
  const row: SlotRow = { owner: self, epoch: 1, state: 'stable', from: undefined, fence: false };
  follow(row);
  follow({ ...row, owner: other, epoch: 2, state: 'handoff', from: self });
  await clock.advanceAndSettle(200);
  follow({ ...row, epoch: 3 });
  await clock.advanceAndSettle(200);
  expect(opened).toEqual([[0, 1]]);
  const asked = from.ask(self, { kind: 'let-go', claims: [[0, 2]] });
  await clock.advanceAndSettle(200);
  expect(await asked).toEqual({ kind: 'answer', claims: [[0, 2]] });
  expect(opened).toEqual([
    [0, 1],
    [0, 3],
  ]);
});
