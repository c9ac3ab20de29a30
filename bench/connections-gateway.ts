/**
 * The gateway of the connections scenario: the listener, sessions and state of `belfry gateway` in a process of its own,
 * with an owner of every slot behind it that says yes to everything. So that what is measured is the gateway's memory,
 * and thousands of sessions are there in seconds.
 *
 * O1  User n is in `channels` channels of the pool: n, n + step, n + 2 step …, so that they are shared, and no two users
 *     near each other have the same ones.
 */
import type { GatewaySender } from '../actors/gateway-shell.ts';
import { MemoryBrokerHub } from '../broker/memory-broker.ts';
import { SLOTS } from '../broker/subjects.ts';
import { systemClock } from '../platform/clock.ts';
import { silentLogger } from '../platform/logger.ts';
import { createMetrics } from '../platform/metrics.ts';
import type { SlotCommand, StreamCommand, StreamResults } from '../protocol/commands.ts';
import type { Incarnation, StreamId, TeamId } from '../protocol/ids.ts';
import { startGateway, type Gateway } from '../transport/gateway-server.ts';
import { channelOf } from './channels-ids.ts';
import { serveLoad } from './load-server.ts';
import { measureMemory, type ProcessMemory } from './process-memory.ts';
import { benchTeam, numberOfUser } from './session-tickets.ts';

export type ConnectionsGateway = {
  /** Gives the port, and how far its wall clock is ahead of its monotonic one. */
  readonly start: {
    readonly params: {
      readonly incarnation: Incarnation;
      readonly secret: string;
      readonly channels: number;
      readonly pool: number;
    };
    readonly result: { readonly port: number; readonly wallAheadMs: number };
  };
  readonly measure: { readonly params: null; readonly result: { sessions: number; memory: ProcessMemory } };
  readonly sessions: { readonly params: null; readonly result: number };
};

const step = 37;
let gateway: Gateway | undefined;
let shape = { channels: 0, pool: 1 };

serveLoad<ConnectionsGateway>({
  async start({ incarnation, secret, channels, pool }) {
    shape = { channels, pool };
    const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
    gateway = await startGateway({
      broker: new MemoryBrokerHub({ clock: systemClock }).connect(incarnation),
      node: { table: () => ({ slotsOf: () => slots }), onSlotsServed: () => undefined },
      sender: yesSender(),
      ref: { region: 'bench', incarnation },
      ticketSecret: secret,
      host: '127.0.0.1',
      port: 0,
      clock: systemClock,
      logger: silentLogger,
      metrics: createMetrics({ role: 'gateway', id: 'bench', processMetrics: false }),
      isRevoked: () => Promise.resolve(false),
    });
    return { port: gateway.port, wallAheadMs: systemClock.wallMs() - systemClock.monotonicMs() };
  },
  async measure() {
    const memory = await measureMemory(systemClock);
    return { sessions: gateway?.sessions() ?? 0, memory };
  },
  sessions: () => gateway?.sessions() ?? 0,
});

function yesSender(): GatewaySender {
  const yes = (result: unknown) => Promise.resolve({ ok: true, result } as never);
  return {
    toStream: (stream, command) => yes(streamAnswer(stream, command)),
    toSlot: (_, command) => yes(slotAnswer(command)),
    resolve: () => undefined,
  };
}

function streamAnswer(stream: StreamId, command: StreamCommand): unknown {
  if (command.kind !== 'memberships') return {};
  const user = numberOfUser(stream);
  const channels = Array.from({ length: shape.channels }, (_, at) => membershipOf((user + at * step) % shape.pool));
  return { channels, manualAway: false, seq: 1 } satisfies StreamResults['memberships'];
}

function membershipOf(number: number): StreamResults['memberships']['channels'][number] {
  const base = { id: channelOf(number), team: benchTeam as TeamId, kind: 'public', name: `load-${number}` } as const;
  const creator = 'U0BENCH' as StreamResults['memberships']['channels'][number]['meta']['creator'];
  return { meta: { ...base, creator, created: 1, isGeneral: false }, channelSeq: 1 };
}

function slotAnswer(command: SlotCommand): unknown {
  if (command.kind !== 'admit') return {};
  return { admissions: command.entries.map(([user, stream]) => ({ user, stream, admitted: true, seq: 1 })) };
}
