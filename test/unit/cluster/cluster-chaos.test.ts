/** Random histories in manual time: whatever happened, the cluster ends with every slot served once, and by its table. */
import { describe, expect, it } from 'vitest';
import { SeededRng } from '../../../platform/rng.ts';
import { ClusterLab, type LabWorker } from '../../support/cluster-lab.ts';

const EVENTS = ['join', 'kill', 'freeze', 'stall', 'cut', 'cut-lane', 'drain', 'broker-restart', 'nothing'] as const;

class Chaos {
  readonly lab: ClusterLab;
  readonly rng: SeededRng;
  readonly frozen = new Set<LabWorker>();
  readonly draining = new Set<LabWorker>();
  readonly log: string[] = [];
  #names = 0;

  constructor(seed: number) {
    this.lab = new ClusterLab({ seed, slots: 64 });
    this.rng = new SeededRng(seed);
  }

  join(): void {
    this.#names += 1;
    this.lab.startWorker(`w${this.#names}`);
  }

  async step(): Promise<void> {
    const event = EVENTS[this.rng.int(EVENTS.length)]!;
    const able = this.lab.workers.filter((worker) => !this.frozen.has(worker) && !this.draining.has(worker));
    const victim = able[this.rng.int(Math.max(1, able.length))];
    this.log.push(`${this.lab.clock.monotonicMs()} ${event} ${victim?.name ?? '-'}`);
    if (event === 'join' && this.lab.workers.length < 5) this.join();
    else if (event === 'broker-restart') await this.#restartBroker();
    else if (victim !== undefined && able.length > 1) await this.#harm(event, victim);
    await this.lab.run(this.rng.int(800));
    this.#bury();
  }

  async #harm(event: (typeof EVENTS)[number], victim: LabWorker): Promise<void> {
    if (event === 'kill') this.lab.kill(victim);
    if (event === 'cut') this.lab.hub.cut(victim.incarnation);
    if (event === 'cut-lane') this.lab.hub.cut(victim.incarnation, 'commands');
    if (event === 'freeze') {
      this.frozen.add(victim);
      this.lab.freeze(victim);
    }
    if (event === 'stall') {
      this.lab.freeze(victim);
      await this.lab.run(this.rng.int(300));
      this.lab.thaw(victim);
    }
    if (event === 'drain') {
      this.draining.add(victim);
      void victim.node
        .drain()
        .then(() => victim.node.stop())
        .then(() => (victim.evicted = true));
    }
  }

  async #restartBroker(): Promise<void> {
    this.lab.hub.stop();
    await this.lab.run(this.rng.int(1_500));
    this.lab.hub.start();
  }

  /** What ended by itself is no part of the lab any more, as a supervisor would have it. */
  #bury(): void {
    for (const worker of this.lab.workers.filter(({ evicted }) => evicted)) {
      expect(worker.host.open_.size, `${worker.name} ended with open slots`).toBe(0);
      this.lab.workers.splice(this.lab.workers.indexOf(worker), 1);
    }
  }

  async end(): Promise<void> {
    for (const worker of this.frozen) this.lab.thaw(worker);
    this.join();
    await this.lab.run(3_000);
    this.#bury();
    await this.lab.settled(10_000);
  }
}

describe('a cluster under random faults', () => {
  it.each([3, 12, 23, 47])('ends whole, and answers in the order of epochs (seed %i)', async (seed) => {
    const chaos = new Chaos(seed);
    const { lab } = chaos;
    for (let i = 0; i < 3; i++) chaos.join();
    await lab.settled();
    const router = lab.startRouter('web');
    let isOver = false;
    const send = async (slot: number): Promise<void> => {
      while (!isOver) {
        await router.toSlot(slot, { kind: 'query-presence', users: [] });
        await lab.clock.sleep(50);
      }
    };
    const senders = Array.from({ length: 8 }, (_, i) => send(i * 8));
    try {
      for (let i = 0; i < 10; i++) await chaos.step();
      await chaos.end();
      isOver = true;
      await lab.run(200);
      const last = lab.answers.length;
      const finals = Promise.all(
        Array.from({ length: 64 }, (_, slot) => router.toSlot(slot, { kind: 'query-presence', users: [] })),
      );
      await lab.run(100);
      expect((await finals).every(({ ok }) => ok)).toBe(true);
      expect(lab.answers.length - last).toBeGreaterThanOrEqual(64);
      await Promise.all(senders);
      await lab.stop();
    } catch (error) {
      throw new Error(`seed ${seed}:\n${chaos.log.join('\n')}`, { cause: error });
    }
  });
});
