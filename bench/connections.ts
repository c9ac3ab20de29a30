/**
 * `belfry bench connections`: what an idle session costs a gateway in memory, and each channel that it is in.
 *
 * For 0, 10 and 50 channels a session, a gateway process of its own takes sessions in steps; after each its memory is
 * read, once everything that can be collected was. The figures are slopes, from the first step to the last: what a
 * further session takes. `heap` is live JavaScript objects, `native` what the process holds resident outside the heap;
 * `slack`, what the heap keeps ready, is what opening thousands of sessions at once leaves behind, and stands in the
 * table by itself. What the kernel keeps for a socket is in none of them.
 *
 * C1  Every session is a user of its own, with the user's and the team's stream, as in a real workspace: these are part
 *     of the session's figure.
 */
import { defineOptions, integerSchema, type OptionValues } from '../platform/config.ts';
import type { Incarnation } from '../protocol/ids.ts';
import type { ConnectionsClients } from './connections-clients.ts';
import type { ConnectionsGateway } from './connections-gateway.ts';
import { LoadGroup } from './load-group.ts';
import type { ProcessMemory } from './process-memory.ts';
import {
  defineScenario,
  type Detail,
  type Measurement,
  type RunContext,
  type RunResult,
  type Session,
} from './scenario.ts';
import { ticketMs } from './session-tickets.ts';
import { measureStretch } from './stretch.ts';
import { recordOf, type StretchRecord } from './stretch-record.ts';
import { formatNumber } from './table.ts';

const goals = { sessionBytes: 2_500, channelBytes: 150 };
const channelsOf = [0, 10, 50];
/** Parts of all sessions that are there when the memory is read. */
const steps = [1 / 15, 1 / 3, 1];
const projected = 1_000_000;

const options = defineOptions({
  sessions: { value: 'n', schema: integerSchema(150, 250_000).default(6_000), description: 'sessions of one gateway' },
  pool: {
    value: 'n',
    schema: integerSchema(50, 10_000_000).default(1_000),
    description: 'channels that the sessions share',
  },
  loadProcs: { value: 'n', schema: integerSchema(1, 64).default(2), description: 'processes that hold the clients' },
});

type Options = OptionValues<typeof options>;
type Step = { readonly sessions: number; readonly memory: ProcessMemory };
type Course = { readonly channels: number; readonly steps: readonly Step[]; readonly record: StretchRecord };

export const connectionsScenario = defineScenario({
  name: 'connections',
  summary: 'idle sessions of one gateway: bytes of a session and of each channel it is in',
  options,
  ownServers: true,
  open: (context, values) => Promise.resolve(new ConnectionsSession(context, values)),
});

class ConnectionsSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;

  constructor(context: RunContext, values: Options) {
    this.#context = context;
    this.#options = values;
  }

  async run(): Promise<RunResult> {
    const courses: Course[] = [];
    const failures: string[] = [];
    for (const channels of channelsOf) courses.push(await this.#course(channels, failures));
    return {
      measurements: measurementsOf(courses),
      failures,
      notes: [
        `${formatNumber(this.#options.pool)} channels shared by ${formatNumber(this.#options.sessions)} sessions`,
      ],
      stretches: courses.map(({ record }) => record),
      details: [stepTable(courses)],
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Opens all sessions, and closes them with everything else. */
  async #course(channels: number, failures: string[]): Promise<Course> {
    const { loadProcs, pool } = this.#options;
    const gateway = new LoadGroup<ConnectionsGateway>('./connections-gateway', 1, this.#context);
    const clients = new LoadGroup<ConnectionsClients>('./connections-clients', loadProcs, this.#context);
    try {
      const incarnation = 'bench-gateway' as Incarnation;
      const secret = Buffer.from(this.#context.rng.bytes(32)).toString('hex');
      const [place = { port: 0, wallAheadMs: 0 }] = await gateway.callAll('start', {
        incarnation,
        secret,
        channels,
        pool,
      });
      const target = { ...place, secret, gateway: incarnation };
      const processes = gateway.pids().map((pid) => ({ role: 'gateway', pid }));
      const progress = gateway.progress('sessions', `sessions of ${channels} channels`);
      const side = { subject: `${channels} channels`, processes, load: [clients], progress };
      const stretch = await measureStretch({ ...this.#context, profileFolder: undefined }, side, () =>
        this.#climb(gateway, clients, target),
      );
      for (const { ended } of await clients.callAll('check', null)) failures.push(...ended);
      return { channels, steps: stretch.result, record: recordOf(stretch, {}) };
    } finally {
      await Promise.all([gateway.stop(), clients.stop()]);
    }
  }

  async #climb(
    gateway: LoadGroup<ConnectionsGateway>,
    clients: LoadGroup<ConnectionsClients>,
    target: Omit<ConnectionsClients['open']['params'], 'from' | 'upTo' | 'every'>,
  ): Promise<Step[]> {
    const every = clients.size;
    const read: Step[] = await gateway.callAll('measure', null);
    let open = 0;
    for (const part of steps) {
      const upTo = Math.floor((this.#options.sessions * part) / every) * every;
      await clients.callEach('open', (at) => ({ ...target, from: open + at, upTo, every }));
      open = upTo;
      // Past the tickets' life, one more session makes the gateway forget those of the others.
      await this.#context.clock.sleep(ticketMs, this.#context.signal);
      await clients.callEach('open', (at) => ({ ...target, from: open + at, upTo: at === 0 ? open + 1 : 0, every }));
      open += every;
      read.push(...(await gateway.callAll('measure', null)));
    }
    return read;
  }
}

type Bytes = { readonly total: number; readonly heap: number; readonly native: number; readonly slack: number };

/** What a further session takes, from one step to another. */
function slope(from: Step | undefined, to: Step | undefined): Bytes {
  if (from === undefined || to === undefined) throw new Error('connections: no such step');
  const each = (of: (memory: ProcessMemory) => number) =>
    (of(to.memory) - of(from.memory)) / (to.sessions - from.sessions);
  const [heap, slack] = [each((memory) => memory.heap), each((memory) => memory.slack)];
  const total = each(({ rss }) => rss) - slack;
  return { total, heap, native: total - heap, slack };
}

const overall = ({ steps: read }: Course): Bytes => slope(read[1], read.at(-1));

function measurementsOf(courses: readonly Course[]): Measurement[] {
  const [bare, most] = [courses[0], courses.at(-1)];
  if (bare === undefined || most === undefined) return [];
  const [session, full] = [overall(bare), overall(most)];
  const channel = (part: keyof Bytes) => (full[part] - session[part]) / most.channels;
  const row = (subject: string, name: string, value: number) => ({ subject, name, unit: 'B', value });
  const gib = (channels: number) => ((session.total + channels * channel('total')) * projected) / 2 ** 30;
  return [
    { ...row('session', 'bytes of an idle session', session.total), goal: { atMost: goals.sessionBytes } },
    row('session', 'of them heap', session.heap),
    row('session', 'of them native', session.native),
    { ...row('channel', 'bytes of a channel of a session', channel('total')), goal: { atMost: goals.channelBytes } },
    row('channel', 'of them heap', channel('heap')),
    row('channel', 'of them native', channel('native')),
    { subject: 'projection', name: '1,000,000 sessions of 10 channels', unit: 'GiB', value: gib(10) },
    { subject: 'projection', name: '1,000,000 sessions of 50 channels', unit: 'GiB', value: gib(50) },
  ];
}

/** Bytes of a further session from step to step: a straight line is the same figure in every row. */
function stepTable(courses: readonly Course[]): Detail {
  const rows = courses.flatMap(({ channels, steps: read }) =>
    read.slice(1).map((step, at) => {
      const { total, heap, native, slack } = slope(read[at], step);
      return [
        String(channels),
        ...[read[at]?.sessions ?? 0, step.sessions, total, heap, native, slack].map((one) =>
          formatNumber(Math.round(one)),
        ),
      ];
    }),
  );
  return {
    title: 'bytes of a further session',
    heads: ['channels', 'from', 'to', 'heap and native', 'heap', 'native', 'slack'],
    aligns: ['right', 'right', 'right', 'right', 'right', 'right', 'right'],
    rows,
  };
}
