/** What a slot's old owner leaves reaches its new one, or nobody; and a newcomer's codec of it. */
import { describe, expect, it } from 'vitest';
import { HotInbox } from '../../../cluster/hot-inbox.ts';
import { limits } from '../../../platform/limits.ts';
import { decodeControl, encodeControl } from '../../../protocol/control.ts';
import { DecodeError } from '../../../protocol/errors.ts';
import type { Incarnation } from '../../../protocol/ids.ts';
import { ClusterLab, type LabWorker } from '../../support/cluster-lab.ts';

const bytes = (text: string) => Buffer.from(text);

async function threeWorkers(): Promise<{ lab: ClusterLab; workers: LabWorker[] }> {
  const lab = new ClusterLab();
  const workers = ['a', 'b', 'c'].map((name) => lab.startWorker(name));
  await lab.settled();
  for (const { host, name } of workers)
    host.leaves = (slot) => [bytes(`${name} ${slot} 1`), bytes(`${name} ${slot} 2`)];
  return { lab, workers };
}

describe('hot chunks', () => {
  it('of every slot that a draining worker gives away come with it, in order', async () => {
    const { lab, workers } = await threeWorkers();
    const [drained, ...others] = workers as [LabWorker, LabWorker, LabWorker];
    const slots = drained.node.owned();
    const drain = drained.node.drain();
    await lab.until('the drain', () => drained.node.owned().length === 0, 3_000);
    await lab.run(100);
    await drain;
    for (const slot of slots) {
      const received = others.flatMap(({ host }) => host.received.filter((one) => one.slot === slot));
      expect(received).toEqual([1, 2].map((part) => ({ slot, epoch: 2, chunk: `a ${slot} ${part}` })));
    }
    await lab.stop();
  });

  it('are nothing that a take-over after a crash waits for', async () => {
    const { lab, workers } = await threeWorkers();
    lab.kill(workers[0]!);
    await lab.settled();
    expect(workers.flatMap(({ host }) => host.received)).toEqual([]);
    await lab.stop();
  });

  it('of one hand-off are not given to another, and have a bound', () => {
    const inbox = new HotInbox();
    inbox.hold(1, 2, bytes('old'));
    inbox.hold(1, 3, bytes('new'));
    expect(inbox.take(1, 2)).toEqual([]);
    inbox.hold(1, 3, bytes('new'));
    expect(inbox.take(1, 3)).toEqual([bytes('new')]);
    expect(inbox.take(1, 3)).toEqual([]);
    const half = new Uint8Array(limits.hotInboxBytesMax / 2 + 1);
    inbox.hold(1, 1, half);
    inbox.hold(2, 1, half);
    expect([inbox.take(1, 1).length, inbox.take(2, 1).length]).toEqual([1, 0]);
  });

  it('travel as a control message, and a malformed one is refused', () => {
    const message = { kind: 'hot', from: 'worker-1' as Incarnation, claims: [[7, 3]], chunk: bytes('chunk') } as const;
    expect(decodeControl(encodeControl(message))).toEqual(message);
    const without = encodeControl({ ...message, chunk: undefined as unknown as Uint8Array });
    expect(() => decodeControl(without)).toThrow(DecodeError);
  });
});
