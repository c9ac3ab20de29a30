/**
 * One simulated worker process: the real slot host over the in-memory broker, with a clock that can stop. Who gives it
 * slots is the cluster's, scripted or real.
 */
import { createSlotHost, type RunningSlotHost } from '../../actors/slot-runtime.ts';
import type { Broker } from '../../broker/broker.ts';
import { CommandRouter } from '../../cluster/command-router.ts';
import type { SlotGrant, SlotHost } from '../../cluster/slot-host.ts';
import type { Logger } from '../../platform/logger.ts';
import { hops, queues, type Metrics } from '../../platform/metrics.ts';
import type { Incarnation } from '../../protocol/ids.ts';
import { ProcessClock } from './sim-clock.ts';
import { TEAM } from './sim-names.ts';
import type { SimWorld } from './sim-world.ts';

export class SimWorker {
  readonly name: string;
  readonly incarnation: Incarnation;
  readonly clock: ProcessClock;
  readonly broker: Broker;
  readonly host: RunningSlotHost;
  readonly logger: Logger;
  readonly #world: SimWorld;
  /** Slots open here, with their epochs. */
  readonly open = new Map<number, number>();

  constructor(world: SimWorld, name: string, incarnation: Incarnation, onLog?: (event: string) => void) {
    this.name = name;
    this.incarnation = incarnation;
    this.#world = world;
    this.clock = new ProcessClock(world.clock);
    this.logger = world.history.logger(name, onLog);
    this.broker = world.hub.connect(incarnation);
    const lane = this.broker.commands;
    const router = new CommandRouter({ lane, self: incarnation, clock: this.clock, logger: this.logger });
    const { regionBatchGatewaysCount } = world;
    // Of two gateways one may listen: also then.
    const regionStrangersPerHundredMax = 100;
    this.host = createSlotHost({
      records: world.lag(this.broker.records),
      messaging: lane,
      sender: router,
      settings: { partitions: 1, team: TEAM, actorIdleMs: 300, regionBatchGatewaysCount, regionStrangersPerHundredMax },
      incarnation,
      clock: this.clock,
      rng: world.rng,
      logger: this.logger,
      metrics: noMetrics,
    });
    world.history.note(name, 'started', undefined, incarnation);
  }

  /** What the cluster is given in the host's place: the host, with a record of who opened what. */
  watchedHost(): SlotHost {
    const { host } = this;
    return {
      open: (slot, grant) => this.openSlot(slot, grant),
      deliver: (slot, bytes, reply) => host.deliver(slot, bytes, reply),
      close: async (slot) => {
        await host.close(slot);
        this.#closed(slot, 'closed');
      },
      abandon: (slot, reason) => {
        host.abandon(slot, reason);
        this.#closed(slot, `abandoned: ${reason}`);
      },
      setServing: (serving) => {
        this.#world.history.note(this.name, serving ? 'serving' : 'not-serving', undefined);
        host.setServing(serving);
      },
      gatewayGone: (gateway) => host.gatewayGone(gateway),
      gatewaysAlive: (gateways) => host.gatewaysAlive(gateways),
      beforeAppend: (check) => host.beforeAppend(check),
      onFenced: (listener) => host.onFenced(listener),
      actorCount: () => host.actorCount(),
    };
  }

  openSlot(slot: number, grant: SlotGrant): void {
    this.#world.slotOpened(this.name, this.incarnation, slot, grant);
    this.open.set(slot, grant.epoch);
    const fence = grant.fence && this.#world.mutations.epochRecordOff !== true;
    this.host.open(slot, { ...grant, fence });
  }

  #closed(slot: number, how: string): void {
    if (this.open.delete(slot)) this.#world.history.note(this.name, how, `slot ${slot}`);
  }

  /** SIGKILL: what it had sent before may still be stored, but it hears of nothing. */
  kill(): void {
    this.#world.history.note(this.name, 'killed', undefined);
    this.clock.die();
    this.#world.isStaleNoMore(this.name);
    this.open.clear();
    // What it had written to its sockets arrives before the broker sees them end.
    this.#world.network.stall(this.incarnation, 'to-client', 10_000);
    this.#world.clock.setTimeout(() => this.#world.hub.crash(this.incarnation), 2);
  }

  /** SIGSTOP */
  freeze(): void {
    this.#world.history.note(this.name, 'frozen', undefined);
    this.clock.freeze();
    this.#world.hub.hold(this.incarnation);
  }

  /** SIGCONT. A real loop reads its sockets before or after its timers; reading first is the harder case. */
  thaw(): void {
    this.#world.history.note(this.name, 'thawed', undefined);
    this.#world.hub.release(this.incarnation);
    this.clock.thaw();
  }
}

const nothing = (): void => {};
const noTimers = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, { observe: nothing }]));
const noMetrics = {
  hops: noTimers(hops),
  queues: noTimers(queues),
  gaugeOf: nothing,
  counterOf: nothing,
} as unknown as Metrics;
