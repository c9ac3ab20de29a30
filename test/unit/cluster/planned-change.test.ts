/** A planned change goes on in steps, so that those who carry it out find time for posts between them. */
import { describe, expect, it } from 'vitest';
import type { Broker } from '../../../broker/broker.ts';
import { ControlChannel } from '../../../cluster/control-channel.ts';
import { HandoffSender } from '../../../cluster/handoff-sender.ts';
import { assign, type Candidate } from '../../../cluster/hash-table.ts';
import { MoveCourse } from '../../../cluster/move-course.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { limits } from '../../../platform/limits.ts';
import { silentLogger } from '../../../platform/logger.ts';
import type { SlotClaim } from '../../../protocol/control.ts';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { SeededRng } from '../../../platform/rng.ts';
import type { Incarnation } from '../../../protocol/ids.ts';
import { ClusterLab } from '../../support/cluster-lab.ts';

const name = (text: string) => text as Incarnation;
const worker = (text: string): Candidate => ({
  ...{ incarnation: name(text), key: text, weight: 1, zone: '', takes: true, draining: false },
});

describe('a join', () => {
  it('costs one table a step, few slots in the first, and a rest between them', async () => {
    const lab = new ClusterLab({ slots: 256 });
    const [first] = ['a', 'b'].map((one) => lab.startWorker(one));
    await lab.settled();
    await lab.run(limits.handoffCalmMs + limits.tableRefreshMs);
    lab.startWorker('joiner');
    const tables: { atMs: number; handoffs: number }[] = [];
    let { view } = first!.node.table();
    while (tables.at(-1)?.handoffs !== 0) {
      await lab.run(1);
      const table = first!.node.table();
      if (table.view !== view) tables.push({ atMs: lab.clock.monotonicMs(), handoffs: table.totals().handoff });
      ({ view } = table);
    }
    expect(tables.map(({ handoffs }) => handoffs)).toEqual([16, 32, 37, 0]);
    const restsMs = tables.slice(1).map(({ atMs }, i) => atMs - tables[i]!.atMs);
    expect(Math.min(...restsMs)).toBeGreaterThanOrEqual(limits.handoffStepMs - 1);
    expect(Math.max(...restsMs)).toBeLessThan(limits.handoffMs);
    await lab.settled();
    expect(Math.min(...lab.shares())).toBe(85);
    await lab.stop();
  });
});

describe('the course of a change', () => {
  const owners = Array.from({ length: 60 }, (_, slot) => name(slot % 2 === 0 ? 'a' : 'b'));
  const three = ['a', 'b', 'c'].map(worker);

  it('gives what is left of its moves, wherever it was interrupted', () => {
    const course = new MoveCourse();
    const moves = course.movesOf(owners, three);
    expect(moves).toEqual(assign(owners, three));
    const now = [...owners];
    for (const { slot, to } of moves.slice(0, 7)) now[slot] = to;
    expect(course.movesOf(now, three)).toEqual(moves.slice(7));
  });

  it('is set anew for other workers, and where a slot went elsewhere', () => {
    const course = new MoveCourse();
    course.movesOf(owners, three);
    const two = three.slice(0, 2);
    expect(course.movesOf(owners, two)).toEqual([]);
    const away = owners.with(0, name('gone'));
    expect(course.movesOf(away, two)).toEqual(assign(away, two));
  });
});

describe('a released slot', () => {
  it('is announced at once, also while another waits for a repeat', async () => {
    const clock = new ManualClock();
    const hub = new MemoryBrokerHub({ clock, rng: new SeededRng(1) });
    const channel = (self: Incarnation): ControlChannel => {
      const broker: Broker = hub.connect(self);
      const control = new ControlChannel(broker.control, { role: 'worker', incarnation: self }, silentLogger);
      control.listen();
      return control;
    };
    const [giver, taker] = [channel(name('giver-1')), channel(name('taker-1'))];
    const heard: SlotClaim[][] = [];
    taker.handle('release', ({ claims }) => {
      heard.push([...claims]);
      return claims.filter(([slot]) => slot !== 1);
    });
    const finish = () => Promise.resolve(undefined);
    const options = { self: name('giver-1'), control: giver, clock, finish, owes: () => true };
    const sender = new HandoffSender(options);
    sender.announce(name('taker-1'), [1, 5]);
    await clock.advanceAndSettle(limits.confirmRetryMs / 2);
    expect(heard).toEqual([[[1, 5]]]);
    sender.announce(name('taker-1'), [2, 5]);
    await clock.advanceAndSettle(limits.confirmRetryMs / 4);
    expect(heard.at(-1)).toEqual([
      [1, 5],
      [2, 5],
    ]);
    sender.stop();
  });
});
