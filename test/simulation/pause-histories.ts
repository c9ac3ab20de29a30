/**
 * One fault and nothing else, while every channel is posted to without a rest: how long does a channel accept nothing (G7)?
 * A post's own time, from sending to its acknowledgement, is the pause that it met.
 *
 * P1  No post of a history takes as long as the fault's bound, which the time-outs of limits-cluster.ts make.
 */
import { slotOf } from '../../cluster/slots.ts';
import { limits } from '../../platform/limits.ts';
import type { Rng } from '../../platform/rng.ts';
import type { ChannelId, UserId } from '../../protocol/ids.ts';
import { RealCluster, type ClusterWorker } from './real-cluster.ts';
import { SimLoad } from './sim-load.ts';
import { CHANNELS, USERS } from './sim-names.ts';
import { drawnWays, SimWorld, type SimOptions } from './sim-world.ts';

interface Fault {
  readonly name: string;
  /** A post takes less, in virtual time. */
  readonly pauseMsMax: number;
  act(world: SimWorld, cluster: RealCluster, victim: ClusterWorker): void;
}

/** Killed: a killed worker's connections tell of it, so no silence has to be waited for. */
const KILLED_MS = 1_000;
/** Paused or cut off, for whatever time: shorter than the silence that declares it dead, or until another has its slots. */
const SILENT_MS = 2_000;
/** A planned change: overlap, drain and one round of the manager's. */
const PLANNED_MS = 100;
/** nats.conf: ping_interval, and ping_max of them without an answer. */
const PINGS_MISSED_MS = 3 * 250;
const CHANNELS_COUNT = 3;
const BEFORE_MS = 200;
const AFTER_MS = 2_600;
const PROBE_REST_MS = 10;

/** The longest ones outlast what declares a worker dead. */
const drawPauseMs = (rng: Rng) => 50 + rng.int(2_500);

export const FAULTS: readonly Fault[] = [
  { name: 'kill', pauseMsMax: KILLED_MS, act: (_, cluster, victim) => cluster.kill(victim) },
  {
    name: 'kill-manager',
    pauseMsMax: KILLED_MS,
    act: (_, cluster, victim) => cluster.kill(cluster.manager() ?? victim),
  },
  {
    name: 'pause',
    pauseMsMax: SILENT_MS,
    act: (world, cluster, victim) => cluster.freeze(victim, drawPauseMs(world.rng)),
  },
  {
    name: 'stall',
    pauseMsMax: SILENT_MS,
    act: (world, cluster, victim) => cluster.freeze(victim, limits.loopStallMs + world.rng.int(300)),
  },
  { name: 'deaf', pauseMsMax: SILENT_MS, act: (world, _, { sim }) => goDeaf(world, sim.incarnation) },
  {
    name: 'dumb',
    pauseMsMax: SILENT_MS,
    act: (world, _, { sim }) => world.network.stall(sim.incarnation, 'to-server', drawPauseMs(world.rng)),
  },
  {
    name: 'partition',
    pauseMsMax: SILENT_MS,
    act: (world, _, { sim }) => {
      const forMs = drawPauseMs(world.rng);
      world.network.hold(({ incarnation }) => incarnation === sim.incarnation, forMs);
    },
  },
  { name: 'lost-connections', pauseMsMax: SILENT_MS, act: (world, _, { sim }) => world.hub.cut(sim.incarnation) },
  {
    name: 'clock-step',
    pauseMsMax: SILENT_MS,
    act: (world, _, { sim }) => (sim.clock.wallOffsetMs += world.rng.int(4_000) - 2_000),
  },
  { name: 'drain', pauseMsMax: PLANNED_MS, act: (_, cluster, victim) => void cluster.drain(victim) },
  { name: 'join', pauseMsMax: PLANNED_MS, act: (_, cluster) => void cluster.startWorker() },
];

/**
 * Its heartbeats still come, so nobody misses it; but it does not answer the server's pings, which ends its connections,
 * and as long as it hears nothing it makes no new ones.
 */
function goDeaf({ rng, network, hub, clock }: SimWorld, incarnation: string): void {
  const forMs = drawPauseMs(rng);
  network.stall(incarnation, 'to-client', Math.min(forMs, PINGS_MISSED_MS));
  if (forMs <= PINGS_MISSED_MS) return;
  clock.setTimeout(() => {
    hub.hold(incarnation);
    hub.cut(incarnation);
  }, PINGS_MISSED_MS);
  clock.setTimeout(() => hub.release(incarnation), forMs);
}

export async function runPauseHistory(options: SimOptions): Promise<SimWorld> {
  const world = new SimWorld({ ...drawnWays(options), ...options });
  await world.provision();
  const cluster = new RealCluster(world);
  for (let i = 0; i < 3; i += 1) cluster.startWorker();
  for (const name of ['gateway1', 'gateway2']) cluster.startGateway(name);
  await world.until('a new cluster serves', 3_000, () => cluster.settled);
  const load = new SimLoad(world, () => cluster.gateways, CHANNELS_COUNT);
  await load.start();
  const probes = CHANNELS.slice(0, CHANNELS_COUNT).map((channel) => new Probe(world, load, channel));
  await world.run(BEFORE_MS + world.rng.int(BEFORE_MS));
  const fault = FAULTS[world.rng.int(FAULTS.length)]!;
  world.history.note('script', fault.name, undefined);
  fault.act(world, cluster, victimOf(world, cluster));
  await world.run(AFTER_MS);
  for (const probe of probes) probe.stop(fault);
  await load.settle();
  return world;
}

/** Whoever has the first channel: it is the one that notices. */
function victimOf(world: SimWorld, { alive }: RealCluster): ClusterWorker {
  const slot = slotOf(CHANNELS[0]!);
  return alive.find(({ sim }) => sim.open.has(slot)) ?? alive[world.rng.int(alive.length)]!;
}

/** Posts to one channel, one after another, and remembers how long the slowest took. */
class Probe {
  readonly #world: SimWorld;
  readonly #load: SimLoad;
  readonly #channel: ChannelId;
  #stopped = false;
  #sentMs = 0;
  #open = false;
  #longestMs = 0;

  constructor(world: SimWorld, load: SimLoad, channel: ChannelId) {
    this.#world = world;
    this.#load = load;
    this.#channel = channel;
    void this.#run();
  }

  /** P1 */
  stop({ name, pauseMsMax }: Fault): void {
    this.#stopped = true;
    const openMs = this.#open ? this.#world.clock.monotonicMs() - this.#sentMs : 0;
    const longestMs = Math.max(this.#longestMs, openMs);
    this.#world.history.note('probe', 'longest', this.#channel, `${longestMs.toFixed(0)} ms, ${name}`);
    if (longestMs < pauseMsMax) return;
    const rule = `after ${name} a channel pauses for less than ${pauseMsMax} ms`;
    this.#world.history.violate(rule, `${longestMs.toFixed(0)} ms`, this.#channel);
  }

  async #run(): Promise<void> {
    const { clock } = this.#world;
    for (let number = 0; !this.#stopped; number += 1) {
      this.#sentMs = clock.monotonicMs();
      this.#open = true;
      await this.#load.poster.post(this.#channel, USERS[0] as UserId, `probe${number}`);
      this.#open = false;
      this.#longestMs = Math.max(this.#longestMs, clock.monotonicMs() - this.#sentMs);
      await clock.sleep(PROBE_REST_MS);
    }
  }
}
