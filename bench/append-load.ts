/**
 * A load process of the append scenario: one way to append, with one append in flight per channel. Both ways do the
 * same work on the same server: records on subjects of the log's stream, each with the sequence of the one before.
 *
 * Z1  Every append must be stored, with a sequence above the channel's last; anything else fails the run.
 */
import { jetstream } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { connectNats } from '../broker/nats-broker.ts';
import { dial, inboxPrefixOf, type NatsAccess } from '../broker/nats-dial.ts';
import { slotOf } from '../cluster/slots.ts';
import { subjects } from '../broker/subjects.ts';
import { limits } from '../platform/limits.ts';
import { SeededRng } from '../platform/rng.ts';
import { systemClock } from '../platform/clock.ts';
import { makePublicChannelId } from '../protocol/ids.ts';
import { LatencyHistogram } from './histogram.ts';
import { serveLoad } from './load-server.ts';
import { machineClock } from './machine-clock.ts';

/**
 * `belfry`: our RecordStore. `stock`: js.publish on a connection with the client's own defaults. `stock tuned`: js.publish
 * on a connection with the options that ours have (above all `noAsyncTraces`: no stack is captured for every request).
 */
export type AppendWay = 'belfry' | 'stock' | 'stock tuned';

export type AppendReport = { readonly appends: number; readonly latency: string; readonly failures: readonly string[] };

export type AppendLoad = {
  readonly open: {
    readonly params: {
      readonly way: AppendWay;
      readonly access: NatsAccess;
      readonly channels: number;
      /** Log streams that the channels' slots are spread over. */
      readonly partitions: number;
      readonly bytes: number;
      readonly seed: number;
    };
    readonly result: null;
  };
  readonly append: { readonly params: { readonly seconds: number }; readonly result: AppendReport };
  readonly appended: { readonly params: null; readonly result: number };
};

/** Appends one record; gives its sequence. @throws anything when it was not stored */
type Append = (subject: string, data: Uint8Array, expected: number) => Promise<number>;
type Channel = { readonly subject: string; lastSequence: number };

const failuresMax = 20;
const machine = machineClock(systemClock);

let append: Append | undefined;
let channels: readonly Channel[] = [];
let data: Uint8Array = new Uint8Array(0);
let count = 0;

serveLoad<AppendLoad>({
  async open({ way, access, channels: channelCount, partitions, bytes, seed }) {
    const rng = new SeededRng(seed);
    append = way === 'belfry' ? await ourAppend(access) : stockAppend(await connectStock(way, access));
    channels = Array.from({ length: channelCount }, () => channelOf(rng, partitions));
    data = rng.bytes(bytes);
    return null;
  },
  append: ({ seconds }) => appendFor(seconds),
  appended: () => count,
});

function channelOf(rng: SeededRng, partitions: number): Channel {
  const id = makePublicChannelId(rng);
  return { subject: subjects.log(partitions, slotOf(id), id), lastSequence: 0 };
}

async function ourAppend(access: NatsAccess): Promise<Append> {
  const { records } = await connectNats(access);
  return async (subject, bytes, expected) => {
    const attempt = await records.append(subject, bytes, expected, limits.appendResendMs);
    if (attempt.kind !== 'stored') throw new Error(`append: ${attempt.kind}`);
    return attempt.sequence;
  };
}

function connectStock(way: AppendWay, access: NatsAccess): Promise<NatsConnection> {
  const { servers, user, password: pass } = access;
  if (way === 'stock tuned') return dial(access, 'stock');
  return connect({ servers: [...servers], user, pass, inboxPrefix: inboxPrefixOf(access) });
}

/** As the library's documentation says. */
function stockAppend(connection: NatsConnection): Append {
  const js = jetstream(connection);
  return async (subject, bytes, expected) => {
    const ack = await js.publish(subject, bytes, { expect: { lastSubjectSequence: expected } });
    return ack.seq;
  };
}

async function appendFor(seconds: number): Promise<AppendReport> {
  const latency = new LatencyHistogram();
  const failures: string[] = [];
  const endUs = machine.nowUs() + seconds * 1e6;
  count = 0;
  await Promise.all(channels.map((channel) => loop(channel, endUs, latency, failures)));
  return { appends: count, latency: latency.encode(), failures: failures.slice(0, failuresMax) };
}

async function loop(channel: Channel, endUs: number, latency: LatencyHistogram, failures: string[]): Promise<void> {
  if (append === undefined) throw new Error('append-load: not open');
  for (let startUs = machine.nowUs(); startUs < endUs; startUs = machine.nowUs()) {
    try {
      const sequence = await append(channel.subject, data, channel.lastSequence);
      if (sequence <= channel.lastSequence) failures.push(`sequence ${sequence} after ${channel.lastSequence}`);
      channel.lastSequence = sequence;
      count += 1;
      latency.record(machine.nowUs() - startUs);
    } catch (error) {
      // What became of it is not known, so this channel's expectation is not either (Z1).
      failures.push(error instanceof Error ? error.message : String(error));
      return;
    }
  }
}
