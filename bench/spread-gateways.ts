/**
 * The load process of the spread scenario: one channel's members' gateways, each a connection of its own that does nothing
 * with what it hears but to check it, and whoever posts.
 *
 * P1  Each acknowledged post comes to each gateway once, in its place, by whichever batches. Anything else fails the run.
 */
import { connectNats } from '../broker/nats-broker.ts';
import type { NatsAccess } from '../broker/nats-dial.ts';
import { subjects } from '../broker/subjects.ts';
import { CommandRouter } from '../cluster/command-router.ts';
import { slotOf } from '../cluster/slots.ts';
import { systemClock } from '../platform/clock.ts';
import { silentLogger } from '../platform/logger.ts';
import { SeededRng } from '../platform/rng.ts';
import { decodeBatch, type BatchEntry } from '../protocol/batches.ts';
import type { GatewayRef } from '../protocol/commands.ts';
import { makePublicChannelId, type Incarnation, type MutationId, type TeamId, type UserId } from '../protocol/ids.ts';
import { decodeRegionEntries, decodeRegionHead } from '../protocol/region-batches.ts';
import { FailureList } from './failure-list.ts';
import { LatencyHistogram } from './histogram.ts';
import { serveLoad } from './load-server.ts';
import { machineClock } from './machine-clock.ts';
import { makeText } from './message-text.ts';
import { runSchedule, Schedule } from './schedule.ts';

export type SpreadReport = { readonly posts: number; readonly latency: string; readonly failures: readonly string[] };

export type SpreadGateways = {
  readonly open: {
    readonly params: {
      readonly access: NatsAccess;
      readonly region: string;
      readonly gateways: number;
      readonly seed: number;
    };
    readonly result: null;
  };
  /** Open loop. */
  readonly post: {
    readonly params: { readonly rate: number; readonly seconds: number; readonly bytes: number };
    readonly result: SpreadReport;
  };
  readonly posted: { readonly params: null; readonly result: number };
  /** What came wrongly after the last post's report, once what may still be on its way has had time to come. */
  readonly late: { readonly params: null; readonly result: readonly string[] };
};

const user = 'U0BENCH0001' as UserId;
const settleMs = 10_000;
const pollMs = 20;
/** Longer than any window that a batch waits for. */
const lateMs = 200;
const machine = machineClock(systemClock);
/** The last seq that each gateway heard. */
let heard: number[] = [];
const failures = new FailureList();
let acknowledged = 0;
let messages = 0;
let tail = 0;
let say: (text: string) => Promise<void> = () => Promise.reject(new Error('spread-gateways: not open'));

serveLoad<SpreadGateways>({
  open: (params) => open(params),
  post: ({ rate, seconds, bytes }) => post(rate, seconds, bytes),
  posted: () => acknowledged,
  async late() {
    await systemClock.sleep(lateMs);
    return failures.take();
  },
});

async function open(params: SpreadGateways['open']['params']): Promise<null> {
  const { access, region, gateways: count, seed } = params;
  const broker = await connectNats({ ...access, records: false });
  const router = new CommandRouter({
    ...{ lane: broker.commands, self: access.incarnation as Incarnation, clock: systemClock, logger: silentLogger },
  });
  const id = makePublicChannelId(new SeededRng(seed));
  const base = { id, team: 'T0BENCH' as TeamId, kind: 'public', name: 'spread', creator: user } as const;
  const meta = { ...base, created: 1, isGeneral: false };
  const opened = await router.toStream(id, { kind: 'open', meta, members: [user], mutation: 'open' as MutationId });
  if (!opened.ok) throw new Error(`spread-gateways: the channel was not opened: ${JSON.stringify(opened.failure)}`);
  tail = 1;
  heard = Array.from({ length: count }, () => tail);
  for (let at = 0; at < count; at += 1) {
    const gateway = { region, incarnation: `${access.incarnation}-${at}` as Incarnation };
    await listen(at, access, gateway);
    const outcome = await router.toSlot(slotOf(id), { kind: 'cursors', gateway, entries: [[id, tail]] });
    if (!outcome.ok) throw new Error(`spread-gateways: nobody listens: ${JSON.stringify(outcome.failure)}`);
  }
  say = async (text) => {
    messages += 1;
    const mutation = `post-${messages}` as MutationId;
    const outcome = await router.toStream(id, { kind: 'post', author: { user }, draft: { text }, mutation });
    if (!outcome.ok) failures.add(`a post was refused: ${JSON.stringify(outcome.failure)}`);
  };
  return null;
}

async function listen(at: number, access: NatsAccess, gateway: GatewayRef): Promise<void> {
  const { commands: lane } = await connectNats({ ...access, incarnation: gateway.incarnation, records: false });
  lane.subscribe(subjects.batch(gateway), ({ data }) => hear(at, decodeBatch(data).entries));
  lane.subscribe(subjects.regionBatch(gateway.region), ({ data }) =>
    hear(at, decodeRegionEntries(decodeRegionHead(data))),
  );
  await lane.flush(settleMs);
}

/** P1 */
function hear(at: number, entries: readonly BatchEntry[]): void {
  for (const entry of entries) {
    if (entry.kind !== 'event') continue;
    const next = (heard[at] ?? 0) + 1;
    if (entry.seq !== next) failures.add(`gateway ${at} heard event ${entry.seq} where ${next} was next`);
    heard[at] = entry.seq;
  }
}

async function post(rate: number, seconds: number, bytes: number): Promise<SpreadReport> {
  acknowledged = 0;
  const count = Math.round(rate * seconds);
  const latency = new LatencyHistogram();
  const postOne = async (index: number, dueUs: number): Promise<void> => {
    await say(makeText(index, dueUs, bytes));
    latency.record(machine.nowUs() - dueUs);
    acknowledged += 1;
  };
  tail += count;
  const schedule = new Schedule(machine.nowUs(), rate, count);
  await runSchedule(systemClock, machine, schedule, (index, dueUs) => void postOne(index, dueUs));
  const endMs = systemClock.monotonicMs() + settleMs;
  const behind = (): number => heard.filter((seq) => seq !== tail).length;
  while ((acknowledged < count || behind() > 0) && systemClock.monotonicMs() < endMs) await systemClock.sleep(pollMs);
  if (acknowledged < count) failures.add(`${count - acknowledged} posts without an answer`);
  if (behind() > 0) failures.add(`${behind()} gateways have not heard everything`);
  return { posts: acknowledged, latency: latency.encode(), failures: failures.take() };
}
