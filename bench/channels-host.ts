/**
 * The worker of the channels and spread scenarios: a process with the actors, log and batches of `belfry worker`, that is given its
 * slots by the scenario instead of the cluster.
 *
 * E1  A channel is live here as after a hand-off: the slots are opened with the chunks that a former owner's `close` gives,
 *     each channel with its seq and the gateway that listens to it.
 * E2  Its members' own streams, which live on other workers, are not there: what it has to tell them is answered at once.
 */
import { createSlotHost, type RunningSlotHost, type SlotHostSettings } from '../actors/slot-runtime.ts';
import { packHot, type HotStream } from '../actors/hot-slot.ts';
import type { BrokerMessage } from '../broker/broker.ts';
import { connectNats } from '../broker/nats-broker.ts';
import type { NatsAccess } from '../broker/nats-dial.ts';
import { COMMAND_QUEUE, SLOTS, subjects } from '../broker/subjects.ts';
import { HotBudget } from '../cluster/hot-budget.ts';
import { slotOf } from '../cluster/slots.ts';
import { systemClock } from '../platform/clock.ts';
import { silentLogger } from '../platform/logger.ts';
import { createMetrics } from '../platform/metrics.ts';
import { SeededRng } from '../platform/rng.ts';
import type { GatewayRef } from '../protocol/commands.ts';
import type { Incarnation, TeamId } from '../protocol/ids.ts';
import { channelOf } from './channels-ids.ts';
import { LoopDelay } from './loop-delay.ts';
import { serveLoad } from './load-server.ts';
import { measureMemory, type ProcessMemory } from './process-memory.ts';

export type OpenedChannels = {
  readonly before: ProcessMemory;
  readonly after: ProcessMemory;
  readonly seconds: number;
};
export type Watched = {
  readonly delays: string;
  readonly gcPauseMaxMs: number;
  /** Actors in memory, and the process with them. */
  readonly actors: number;
  readonly memory: ProcessMemory;
};

export type ChannelsHost = {
  readonly open: {
    readonly params: {
      readonly access: NatsAccess;
      readonly gateway: GatewayRef;
      readonly partitions: number;
      /** Live channels; those below `logs` have a log, that ends at `seq`. */
      readonly live: number;
      readonly seq: number;
      /** As SlotHostSettings'. */
      readonly regionBatchGatewaysCount?: number;
    };
    readonly result: OpenedChannels;
  };
  /** Slots that are open. */
  readonly opened: { readonly params: null; readonly result: number };
  readonly watch: { readonly params: null; readonly result: null };
  readonly watched: { readonly params: null; readonly result: Watched };
};

const epoch = 1;
let host: RunningSlotHost | undefined;
let openSlots = 0;
let delay: LoopDelay | undefined;
let gcPauseMaxMs = 0;

const pauses = new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) gcPauseMaxMs = Math.max(gcPauseMaxMs, duration);
});

serveLoad<ChannelsHost>({
  async open({ access, gateway, partitions, live, seq, regionBatchGatewaysCount }) {
    const ways = regionBatchGatewaysCount === undefined ? {} : { regionBatchGatewaysCount };
    host = await createHost(access, { partitions, team: 'T0BENCH' as TeamId, ...ways });
    host.gatewaysAlive(new Map([[gateway.incarnation, gateway.region]]));
    const before = await measureMemory(systemClock);
    const startMs = systemClock.monotonicMs();
    await openAll(host, gateway, live, seq);
    const seconds = (systemClock.monotonicMs() - startMs) / 1_000;
    return { before, after: await measureMemory(systemClock), seconds };
  },
  opened: () => openSlots,
  watch() {
    gcPauseMaxMs = 0;
    pauses.observe({ entryTypes: ['gc'] });
    delay = new LoopDelay(systemClock);
    return null;
  },
  async watched() {
    if (delay === undefined || host === undefined) throw new Error('channels-host: nothing was watched');
    const delays = delay.stop().encode();
    pauses.disconnect();
    return { delays, gcPauseMaxMs, actors: host.actorCount(), memory: await measureMemory(systemClock) };
  },
});

async function createHost(access: NatsAccess, settings: SlotHostSettings): Promise<RunningSlotHost> {
  const broker = await connectNats(access);
  const incarnation = access.incarnation as Incarnation;
  const made = createSlotHost({
    records: broker.records,
    messaging: broker.commands,
    sender: { toStream: () => Promise.resolve({ ok: true, result: {} } as never) },
    settings,
    incarnation,
    clock: systemClock,
    rng: new SeededRng(1),
    logger: silentLogger,
    metrics: createMetrics({ role: 'worker', id: 'bench', processMetrics: false }),
  });
  for (let slot = 0; slot < SLOTS; slot += 1) {
    const deliver = ({ data, reply }: BrokerMessage): void => made.deliver(slot, data, reply);
    broker.commands.subscribe(subjects.command(slot), deliver, { queue: COMMAND_QUEUE });
  }
  await broker.commands.flush(5_000);
  return made;
}

async function openAll(to: RunningSlotHost, gateway: GatewayRef, live: number, seq: number): Promise<void> {
  const numbers = bySlot(live);
  for (const [slot, channels] of numbers.entries()) {
    to.open(slot, { epoch, fence: false }, packHot(hotStreams(channels, gateway, seq), new HotBudget(Infinity)));
    openSlots += 1;
    // Connections live in between, as between the slots of a hand-off.
    if (slot % 16 === 0) await systemClock.sleep(0);
  }
}

function* hotStreams(channels: Uint32Array, gateway: GatewayRef, seq: number): Generator<HotStream> {
  const gateways = [gateway];
  for (const number of channels) yield { stream: channelOf(number), seq, gateways, actor: undefined };
}

/** The channels' numbers in the order of their slots. */
function bySlot(live: number): Uint32Array[] {
  const slots = new Uint16Array(live);
  const counts = new Uint32Array(SLOTS);
  for (let number = 0; number < live; number += 1) {
    const slot = slotOf(channelOf(number));
    slots[number] = slot;
    counts[slot] = (counts[slot] ?? 0) + 1;
  }
  const sorted = Array.from(counts, (count) => new Uint32Array(count));
  for (let number = live - 1; number >= 0; number -= 1) {
    const slot = slots[number] ?? 0;
    const left = (counts[slot] ?? 0) - 1;
    counts[slot] = left;
    (sorted[slot] as Uint32Array)[left] = number;
  }
  return sorted;
}
