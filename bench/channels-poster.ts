/**
 * The load process of the channels scenario: writes the channels' logs, then speaks to their owner as a webapp does, and
 * listens as their gateway.
 *
 * P1  Each acknowledged post must have the channel's next seq, and come as an event once, in its place. Anything else,
 *     and any refusal, fails the run.
 */
import { AppendLog } from '../broker/append-log.ts';
import { emptyLog } from '../broker/log-position.ts';
import type { BrokerMessage, Messaging } from '../broker/broker.ts';
import { connectNats } from '../broker/nats-broker.ts';
import type { NatsAccess } from '../broker/nats-dial.ts';
import { requestIdOf, subjects } from '../broker/subjects.ts';
import { slotOf } from '../cluster/slots.ts';
import { systemClock } from '../platform/clock.ts';
import { SeededRng } from '../platform/rng.ts';
import { decodeBatch } from '../protocol/batches.ts';
import type { GatewayRef, Reply, StreamCommand } from '../protocol/commands.ts';
import { decodeReplies, encodeEnvelope } from '../protocol/envelopes.ts';
import { retryable } from '../protocol/errors.ts';
import type { DurableEvent } from '../protocol/events.ts';
import type { ChannelId, Incarnation, MutationId, StreamId, TeamId } from '../protocol/ids.ts';
import { channelOf, ownerOf } from './channels-ids.ts';
import { FailureList } from './failure-list.ts';
import { LatencyHistogram } from './histogram.ts';
import { serveLoad } from './load-server.ts';
import { machineClock } from './machine-clock.ts';
import { makeText } from './message-text.ts';
import { runSchedule, Schedule } from './schedule.ts';

export type ColdReport = { readonly cold: string; readonly warm: string; readonly failures: readonly string[] };
export type PostedReport = { readonly posts: number; readonly latency: string; readonly failures: readonly string[] };

export type ChannelsPoster = {
  /** Writes the logs of channels 0 … logs - 1, `records` records each. */
  readonly fill: {
    readonly params: {
      readonly access: NatsAccess;
      readonly logs: number;
      readonly records: number;
      readonly partitions: number;
    };
    readonly result: null;
  };
  readonly filled: { readonly params: null; readonly result: number };
  readonly listen: {
    readonly params: {
      readonly access: NatsAccess;
      readonly gateway: GatewayRef;
      readonly logs: number;
      readonly records: number;
      readonly seed: number;
    };
    readonly result: null;
  };
  /** Asks `count` channels that nobody has asked for before, one after the other, and each once more. */
  readonly askCold: { readonly params: { readonly count: number }; readonly result: ColdReport };
  /** Open loop, each post to a channel drawn at random. */
  readonly post: {
    readonly params: { readonly rate: number; readonly seconds: number; readonly bytes: number };
    readonly result: PostedReport;
  };
  readonly posted: { readonly params: null; readonly result: number };
  /** What came wrongly after the last report, once what may still be on its way has had time to come. */
  readonly late: { readonly params: null; readonly result: readonly string[] };
};

type Waiting = { readonly settle: (reply: Reply) => void };
type Channel = { posted: number; heard: number };

const writers = 2_048;
const settleMs = 10_000;
const pollMs = 20;
/** Longer than any window that a batch waits for. */
const lateMs = 200;
const epoch = 1;
const machine = machineClock(systemClock);
/** As channels are: drawn once more until one is found that was not asked before. */
const touched = new Map<number, Channel>();
const waiting = new Map<number, Waiting>();
const numbers = new Map<StreamId, number>();
const failures = new FailureList();
let written = 0;
let acknowledged = 0;
let requests = 0;
let speak: ((number: number, command: StreamCommand) => Promise<Reply>) | undefined;
let draw: () => number = () => 0;
let firstSeq = 0;

serveLoad<ChannelsPoster>({
  fill: ({ access, logs, records, partitions }) => fill(access, logs, records, partitions),
  filled: () => written,
  listen: (params) => listen(params),
  askCold: ({ count }) => askCold(count),
  post: ({ rate, seconds, bytes }) => post(rate, seconds, bytes),
  posted: () => acknowledged,
  async late() {
    await systemClock.sleep(lateMs);
    return failures.take();
  },
});

async function fill(access: NatsAccess, logs: number, records: number, partitions: number): Promise<null> {
  const broker = await connectNats(access);
  let recordNumber = 0;
  const source = {
    store: broker.records,
    clock: systemClock,
    makeRecordId: () => `${access.incarnation}.${(recordNumber += 1)}`,
  };
  const { signal } = new AbortController();
  let next = 0;
  const write = async (): Promise<void> => {
    for (let number = next++; number < logs; number = next++) {
      const channel = channelOf(number);
      const slot = slotOf(channel);
      const address = {
        stream: subjects.logStream(partitions, slot),
        subject: subjects.log(partitions, slot, channel),
      };
      const log = new AppendLog(source, address, emptyLog);
      for (let record = 1; record <= records; record += 1) {
        const outcome = await log.append([eventOf(number, channel, record)], epoch, signal);
        if (outcome.kind !== 'committed') throw new Error(`channels: a log could not be written: ${outcome.kind}`);
      }
      written += 1;
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  await broker.close();
  return null;
}

/** The channel is opened, then somebody speaks. */
function eventOf(number: number, channel: ChannelId, record: number): DurableEvent {
  const user = ownerOf(number);
  const head = { ts: Math.floor(systemClock.wallMs() * 1_000), author: user, mutation: `fill-${record}` as MutationId };
  if (record > 1) {
    const draft = { text: makeText(record, 0, 100) };
    return { ...head, body: { kind: 'message', author: { user }, draft } };
  }
  const base = { id: channel, team: 'T0BENCH' as TeamId, kind: 'public', name: `load-${number}` } as const;
  const meta = { ...base, creator: user, created: 1, isGeneral: false };
  return { ...head, body: { kind: 'opened', meta, members: [user] } };
}

async function listen(params: ChannelsPoster['listen']['params']): Promise<null> {
  const { access, gateway, logs, records, seed } = params;
  const rng = new SeededRng(seed);
  draw = () => rng.int(logs);
  firstSeq = records;
  const { commands: lane } = await connectNats({ ...access, records: false });
  const self = access.incarnation as Incarnation;
  lane.subscribe(subjects.replies(self), ({ subject, data, noResponders }) => {
    const none = { requestId: requestIdOf(subject) ?? 0, ok: false, failure: retryable('no_owner') } as const;
    for (const reply of noResponders ? [none] : decodeReplies(Uint8Array.from(data))) {
      waiting.get(reply.requestId)?.settle(reply);
      waiting.delete(reply.requestId);
    }
  });
  lane.subscribe(subjects.batch(gateway), hear);
  await lane.flush(settleMs);
  speak = (number, command) => send(lane, self, number, command);
  return null;
}

function send(lane: Messaging, self: Incarnation, number: number, command: StreamCommand): Promise<Reply> {
  const stream = channelOf(number);
  requests += 1;
  const requestId = requests;
  return new Promise((settle) => {
    waiting.set(requestId, { settle });
    const bytes = encodeEnvelope({ to: 'stream', requestId, stream, command });
    lane.publish(subjects.command(slotOf(stream)), bytes, subjects.reply(self, requestId));
  });
}

/** P1: the gateway's side. */
function hear({ data }: BrokerMessage): void {
  for (const entry of decodeBatch(data).entries) {
    if (entry.kind !== 'event') continue;
    const channel = touched.get(numbers.get(entry.stream) ?? -1);
    if (channel === undefined) failures.add(`an event of ${entry.stream}, where nobody posted`);
    else if (entry.seq !== channel.heard + 1)
      failures.add(`event ${entry.seq} of a channel where ${channel.heard + 1} was next`);
    else channel.heard = entry.seq;
  }
}

function touch(number: number): Channel {
  const known = touched.get(number);
  if (known !== undefined) return known;
  const channel = { posted: firstSeq, heard: firstSeq };
  touched.set(number, channel);
  numbers.set(channelOf(number), number);
  return channel;
}

async function askCold(count: number): Promise<ColdReport> {
  const [cold, warm] = [new LatencyHistogram(), new LatencyHistogram()];
  for (let asked = 0; asked < count; asked += 1) {
    let number = draw();
    while (touched.has(number)) number = draw();
    touch(number);
    for (const latency of [cold, warm]) {
      const startUs = machine.nowUs();
      const reply = await defined(speak)(number, { kind: 'info', viewer: ownerOf(number) });
      latency.record(machine.nowUs() - startUs);
      if (!reply.ok) failures.add(`a channel did not come to life: ${JSON.stringify(reply.failure)}`);
    }
  }
  return { cold: cold.encode(), warm: warm.encode(), failures: failures.take() };
}

async function post(rate: number, seconds: number, bytes: number): Promise<PostedReport> {
  acknowledged = 0;
  const latency = new LatencyHistogram();
  const schedule = new Schedule(machine.nowUs(), rate, rate * seconds);
  await runSchedule(systemClock, machine, schedule, (index, dueUs) => void postOne(index, dueUs, bytes, latency));
  await untilSettled(rate * seconds);
  return { posts: acknowledged, latency: latency.encode(), failures: failures.take() };
}

async function postOne(index: number, dueUs: number, bytes: number, latency: LatencyHistogram): Promise<void> {
  const number = draw();
  const channel = touch(number);
  const author = { user: ownerOf(number) };
  const draft = { text: makeText(index, dueUs, bytes) };
  const mutation = `post-${requests}` as MutationId;
  channel.posted += 1;
  const seq = channel.posted;
  const reply = await defined(speak)(number, { kind: 'post', author, draft, mutation });
  latency.record(machine.nowUs() - dueUs);
  acknowledged += 1;
  if (!reply.ok) failures.add(`a post was refused: ${JSON.stringify(reply.failure)}`);
  else if ((reply.result as { seq: number }).seq !== seq) failures.add(`a post got another seq than ${seq}`);
}

/** All answered, and heard of by the gateway. */
async function untilSettled(count: number): Promise<void> {
  const endMs = systemClock.monotonicMs() + settleMs;
  const behind = (): number => [...touched.values()].filter(({ posted, heard }) => heard < posted).length;
  while (acknowledged < count || behind() > 0) {
    if (systemClock.monotonicMs() > endMs) {
      return failures.add(`${count - acknowledged} posts without an answer, ${behind()} channels without their events`);
    }
    await systemClock.sleep(pollMs);
  }
}

function defined<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('channels-poster: it does not listen yet');
  return value;
}
