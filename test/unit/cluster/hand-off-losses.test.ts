/**
 * A hand-off loses no command, also none that is sent only once: a repeat after 200 ms would hide the loss, and the pause
 * would be as long.
 */
import { describe, expect, it } from 'vitest';
import { subjects } from '../../../broker/subjects.ts';
import { decodeReplies, encodeEnvelope } from '../../../protocol/envelopes.ts';
import { ClusterLab } from '../../support/cluster-lab.ts';

const slots = 12;
/** Between two questions to each slot. */
const periodMs = 2;
/** One way between a process and the broker: what the broker sent in this time is under way when somebody leaves. */
const latencyMs = 3;

/** Sends each command once, to whoever listens to the slot, and counts what becomes of them. */
class OnceSender {
  sent = 0;
  refused = 0;
  readonly #waiting = new Map<number, number>();
  /** The longest that an answer took. */
  slowestMs = 0;
  readonly #lab: ClusterLab;
  readonly #lane;

  constructor(lab: ClusterLab) {
    this.#lab = lab;
    this.#lane = lab.hub.connect('sender-1').commands;
    this.#lane.subscribe('belfry.rep.sender-1.*', ({ data, noResponders }) => {
      if (noResponders) this.refused += 1;
      else for (const { requestId, ok } of decodeReplies(data)) this.#answered(requestId, ok);
    });
  }

  get unanswered(): number {
    return this.#waiting.size;
  }

  sendToEvery(): void {
    for (let slot = 0; slot < slots; slot += 1) {
      this.sent += 1;
      const requestId = this.sent;
      const command = { kind: 'query-presence', users: [] } as const;
      const envelope = encodeEnvelope({ requestId, to: 'slot', slot, command });
      this.#waiting.set(requestId, this.#lab.clock.monotonicMs());
      this.#lane.publish(subjects.command(slot), envelope, `belfry.rep.sender-1.${requestId}`);
    }
  }

  #answered(requestId: number, ok: boolean): void {
    const sentMs = this.#waiting.get(requestId) ?? 0;
    this.slowestMs = Math.max(this.slowestMs, this.#lab.clock.monotonicMs() - sentMs);
    this.#waiting.delete(requestId);
    if (!ok) this.refused += 1;
  }
}

async function startLab(): Promise<{ lab: ClusterLab; sender: OnceSender }> {
  const lab = new ClusterLab({ slots, latencyMs: () => latencyMs });
  for (const name of ['a', 'b']) lab.startWorker(name);
  await lab.settled();
  return { lab, sender: new OnceSender(lab) };
}

/** Every slot is asked all the time until the shares are as they should be, and a little longer. */
async function askThroughout(lab: ClusterLab, sender: OnceSender, isOver: () => boolean): Promise<void> {
  const afterwardsMs = 100;
  for (let ms = 0, leftMs = afterwardsMs; leftMs > 0; ms += periodMs) {
    expect(ms, 'the hand-off ends').toBeLessThan(5_000);
    sender.sendToEvery();
    await lab.run(periodMs);
    if (isOver() && lab.isSettled()) leftMs -= periodMs;
  }
  await lab.run(1_000);
}

describe('every command that is sent once while slots are handed over', () => {
  it('to a joiner is answered, and soon', async () => {
    const { lab, sender } = await startLab();
    lab.startWorker('c');
    await askThroughout(lab, sender, () => lab.shares()[2] === slots / 3);
    expect(sender).toMatchObject({ unanswered: 0, refused: 0 });
    expect(sender.sent).toBeGreaterThan(500);
    expect(sender.slowestMs).toBeLessThan(100);
    await lab.stop();
  });

  it('by a worker that is drained is answered, and soon', async () => {
    const { lab, sender } = await startLab();
    const leaver = lab.workers[1]!;
    void leaver.node.drain();
    await askThroughout(lab, sender, () => lab.shares()[1] === 0);
    expect(sender).toMatchObject({ unanswered: 0, refused: 0 });
    expect(sender.slowestMs).toBeLessThan(100);
    await lab.stop();
  });
});
