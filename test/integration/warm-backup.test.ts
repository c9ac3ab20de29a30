/**
 * A warm backup, as `nats stream backup` and `nats stream restore` make one: the server's own snapshots, asked for as the
 * admin user while the stream is in use. Under nats.conf, which has to let it.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, createInbox, headers, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';

const STREAM = 'BELFRY_LOG_0';
const SUBJECT = 'belfry.log.0.7.C1';
const admin = '_INBOX_admin';
const chunkBytes = 8_192;
const timeout = 5_000;

interface Snapshot {
  readonly about: object;
  readonly chunks: readonly Uint8Array[];
}

let server: TestNatsServer;
let operator: NatsConnection;
let worker: NatsConnection;
beforeAll(async () => {
  server = await startNatsServer();
  const as = (user: 'admin' | 'worker') =>
    connect({ servers: server.url, user, pass: server.users[user].password, inboxPrefix: `_INBOX_${user}` });
  [operator, worker] = [await as('admin'), await as('worker')];
});
afterAll(async () => {
  await Promise.all([operator?.close(), worker?.close()]);
  await server?.stop();
});

it('brings a log back as it was, with the numbers that compare-and-set goes by', async () => {
  const manager = await jetstreamManager(operator);
  await manager.streams.add({ name: STREAM, subjects: ['belfry.log.0.>'], allow_direct: true });
  const texts = Array.from({ length: 50 }, (_, at) => `record ${at} ${'x'.repeat(1_000)}`);
  for (const [at, text] of texts.entries()) await append(text, at);
  const snapshot = await backUp(STREAM);
  await append('after the backup', texts.length);
  await manager.streams.delete(STREAM);
  expect(await restore(STREAM, snapshot)).toMatchObject({ messages: texts.length, last_seq: texts.length });
  const stored = await Promise.all(texts.map((_, at) => manager.streams.getMessage(STREAM, { seq: at + 1 })));
  expect(stored.map((message) => message?.string())).toEqual(texts);
  expect(await append('goes on', texts.length)).toMatchObject({ seq: texts.length + 1 });
}, 30_000);

async function append(text: string, after: number): Promise<object> {
  const expected = headers();
  expected.set('Nats-Expected-Last-Subject-Sequence', String(after));
  return (await worker.request(SUBJECT, text, { headers: expected, timeout })).json();
}

/** Each chunk has to be acknowledged, at an address outside the inboxes; an empty one is the end. */
async function backUp(stream: string): Promise<Snapshot> {
  const inbox = createInbox(admin);
  const coming = operator.subscribe(inbox);
  const request = JSON.stringify({ deliver_subject: inbox, chunk_size: chunkBytes });
  const about = (await operator.request(`$JS.API.STREAM.SNAPSHOT.${stream}`, request, { timeout })).json<object>();
  const chunks: Uint8Array[] = [];
  for await (const { data, reply } of coming) {
    if (reply !== undefined && reply !== '') operator.publish(reply);
    if (data.length === 0) break;
    chunks.push(data.slice());
  }
  return { about, chunks };
}

/** Gives the state of the stream that was made. */
async function restore(stream: string, { about, chunks }: Snapshot): Promise<object> {
  const request = JSON.stringify(about);
  const begun = (await operator.request(`$JS.API.STREAM.RESTORE.${stream}`, request, { timeout })).json();
  const { deliver_subject: address } = begun as { deliver_subject: string };
  for (const chunk of chunks) await operator.request(address, chunk, { timeout });
  return (await operator.request(address, undefined, { timeout })).json<{ state: object }>().state;
}
