/** Which worker owns which channel, read from the table in the cluster's bucket, and not guessed from what fails. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Broker } from '../../broker/broker.ts';
import { connectNats } from '../../broker/nats-broker.ts';
import { BUCKET_CLUSTER } from '../../broker/subjects.ts';
import { slotOf } from '../../cluster/slots.ts';
import { TABLE_KEY } from '../../cluster/table-follower.ts';
import { systemClock } from '../../platform/clock.ts';
import { silentLogger } from '../../platform/logger.ts';
import { SeededRng } from '../../platform/rng.ts';
import { makeIncarnation, parseNodeId, type StreamId } from '../../protocol/ids.ts';
import { decodeTable } from '../../protocol/table-codec.ts';
import type { BelfryDev } from '../support/belfry-dev.ts';

export class ChannelOwners {
  readonly #broker: Broker;

  static async open({ data, file }: BelfryDev): Promise<ChannelOwners> {
    const secrets = JSON.parse(readFileSync(join(data, 'secrets.json'), 'utf8')) as { nats: { webapp: string } };
    const servers = file.processes.filter(({ role }) => role === 'nats').map(({ port }) => `nats://127.0.0.1:${port}`);
    const incarnation = makeIncarnation(parseNodeId('chaos')!, new SeededRng(process.pid));
    const user = { user: 'webapp', password: secrets.nats.webapp, records: false };
    const broker = await connectNats({ servers, ...user, incarnation, clock: systemClock, logger: silentLogger });
    return new ChannelOwners(broker);
  }

  private constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** Of these channels those that the worker serves, or gives away; undefined: nobody says so now. */
  async of(worker: string, channels: Iterable<string>): Promise<ReadonlySet<string> | undefined> {
    const read = await this.#broker.kv(BUCKET_CLUSTER).get(TABLE_KEY);
    if (read.kind !== 'found') return undefined;
    const { rows } = decodeTable(read.entry.value);
    const isOwn = (channel: string) => {
      const { owner, from, state } = rows[slotOf(channel as StreamId)] ?? {};
      return ((state === 'handoff' ? from : owner) ?? '').startsWith(`${worker}-`);
    };
    return new Set([...channels].filter(isOwn));
  }

  async close(): Promise<void> {
    await this.#broker.close();
  }
}
