/**
 * nats.conf on a real server: each role can do its work, and nothing that belongs to another role.
 */
import { execFileSync } from 'node:child_process';
import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, headers, PermissionViolationError } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findNatsServer, startNatsServer } from '../support/nats-server.ts';
import type { NatsUser } from '../../broker/nats-users.ts';
import type { TestNatsServer } from '../support/nats-server.ts';

let server: TestNatsServer;
const open: NatsConnection[] = [];

beforeAll(async () => {
  server = await startNatsServer();
  const admin = await connectAs('admin');
  const manager = await jetstreamManager(admin);
  await manager.streams.add({ name: 'BELFRY_LOG_0', subjects: ['belfry.log.0.>'], allow_direct: true });
  const kvm = new Kvm(admin);
  for (const bucket of ['belfry_cluster', 'belfry_directory', 'belfry_tokens']) await kvm.create(bucket);
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((connection) => connection.close()));
});

afterAll(() => server.stop());

describe('nats.conf', () => {
  it('lets a worker append with an expected sequence and read the record back directly', async () => {
    const worker = await connectAs('worker');
    const append = headers();
    append.set('Nats-Expected-Last-Subject-Sequence', '0');
    const ack = await worker.request('belfry.log.0.7.C1', 'record', { headers: append, timeout: 2_000 });
    expect(ack.json()).toMatchObject({ stream: 'BELFRY_LOG_0', seq: 1 });
    const manager = await jetstreamManager(worker);
    const stored = await manager.direct.getMessage('BELFRY_LOG_0', { last_by_subj: 'belfry.log.0.7.C1' });
    expect(stored?.string()).toBe('record');
  });

  it('lets a worker write the table with CAS, and everyone watch and read it', async () => {
    const worker = await connectAs('worker');
    const table = await new Kvm(worker).open('belfry_cluster');
    const first = await table.create('table', 'one');
    await table.update('table', 'two', first);
    await expect(table.update('table', 'three', first)).rejects.toThrow();
    for (const user of ['webapp', 'gateway', 'worker', 'admin'] as const) {
      const bucket = await new Kvm(await connectAs(user)).open('belfry_cluster');
      expect((await bucket.get('table'))?.string()).toBe('two');
      expect(await firstOf(await bucket.watch({ key: 'table' }))).toBe('two');
    }
  });

  it('lets a webapp write users and tokens, and the others only read them', async () => {
    for (const name of ['belfry_directory', 'belfry_tokens']) {
      const bucket = await new Kvm(await connectAs('webapp')).open(name);
      await bucket.put('entry', 'value');
      for (const user of ['worker', 'gateway'] as const) {
        const readers = await new Kvm(await connectAs(user)).open(name);
        expect((await readers.get('entry'))?.string()).toBe('value');
        await expectPublishDenied(user, `$KV.${name}.entry`);
      }
    }
  });

  it('carries a command from a webapp to the one worker of the queue group, and its reply back', async () => {
    const [webapp, worker] = [await connectAs('webapp'), await connectAs('worker')];
    worker.subscribe('belfry.cmd.7', {
      queue: 'owner',
      callback: (_, message) => worker.publish(message.reply ?? '', 'done'),
    });
    await worker.flush();
    const replies = webapp.subscribe('belfry.rep.webapp-1.*', { max: 1 });
    webapp.publish('belfry.cmd.7', 'post', { reply: 'belfry.rep.webapp-1.1' });
    expect(await firstOf(replies)).toBe('done');
  });

  it('carries a batch from a worker to the gateways of its region, and to no other', async () => {
    const worker = await connectAs('worker');
    const [here, too, far] = await Promise.all(
      ['eu', 'eu', 'us'].map(async (region) => {
        const gateway = await connectAs('gateway');
        const batches = gateway.subscribe(`belfry.out.${region}`, { max: 1 });
        await gateway.flush();
        return batches;
      }),
    );
    worker.publish('belfry.out.eu', 'batch');
    worker.publish('belfry.out.us', 'other');
    expect(await Promise.all([here!, too!, far!].map(firstOf))).toEqual(['batch', 'batch', 'other']);
  });

  it('tells the sender at once that a slot has no owner', async () => {
    const webapp = await connectAs('webapp');
    const replies = webapp.subscribe('belfry.rep.webapp-1.*', { max: 1 });
    webapp.publish('belfry.cmd.8', 'post', { reply: 'belfry.rep.webapp-1.2' });
    for await (const message of replies) expect(message.headers?.code).toBe(503);
  });

  it('lets a gateway answer a control request, and publish to no other inbox', async () => {
    const [gateway, worker] = [await connectAs('gateway'), await connectAs('worker')];
    gateway.subscribe('belfry.ctl.gateway-1', { callback: (_, message) => void message.respond('alive') });
    await gateway.flush();
    expect((await worker.request('belfry.ctl.gateway-1', 'ping', { timeout: 2_000 })).string()).toBe('alive');
    await expectPublishDenied('gateway', '_INBOX_worker.forged');
  });

  it.each([
    ['gateway', 'belfry.log.0.7.C1'],
    ['gateway', 'belfry.snap.7.C1.head'],
    ['gateway', 'belfry.rep.webapp-1.1'],
    ['gateway', 'belfry.out.eu.gateway-2'],
    ['gateway', 'belfry.out.eu'],
    ['webapp', 'belfry.out.eu'],
    ['gateway', '$KV.belfry_cluster.table'],
    ['gateway', '$JS.API.STREAM.DELETE.BELFRY_LOG_0'],
    ['gateway', '$JS.API.DIRECT.GET.BELFRY_LOG_0.belfry.log.0.7.C1'],
    ['webapp', 'belfry.log.0.7.C1'],
    ['webapp', 'belfry.rep.webapp-1.1'],
    ['webapp', '$KV.belfry_cluster.table'],
    ['webapp', '$JS.API.STREAM.PURGE.BELFRY_LOG_0'],
    ['worker', '$JS.API.STREAM.CREATE.OTHER'],
    ['worker', '$JS.API.STREAM.DELETE.BELFRY_LOG_0'],
    ['worker', '$JS.API.STREAM.PURGE.KV_belfry_tokens'],
    ['worker', '$KV.belfry_tokens.entry'],
    ['admin', 'belfry.log.0.7.C1'],
    ['sys', '$SYS.REQ.SERVER.N1.RELOAD'],
  ] as const)('keeps %s from publishing to %s', async (user, subject) => {
    await expectPublishDenied(user, subject);
  });

  it.each([
    ['gateway', 'belfry.cmd.7', undefined],
    ['webapp', 'belfry.cmd.7', undefined],
    ['webapp', 'belfry.out.>', undefined],
    ['webapp', 'belfry.out.eu', undefined],
    ['gateway', '_INBOX_worker.>', undefined],
    ['gateway', 'belfry.log.>', undefined],
    ['worker', 'belfry.cmd.7', undefined],
    ['worker', 'belfry.cmd.7', 'another-group'],
  ] as const)('keeps %s from subscribing to %s in group %s', async (user, subject, queue) => {
    const connection = await connectAs(user);
    const subscription = connection.subscribe(subject, queue === undefined ? {} : { queue });
    await expect(firstOf(subscription)).rejects.toThrow(PermissionViolationError);
  });

  it('tells the system user of a lost connection, and lets it cut one', async () => {
    const [sys, worker] = [await connectAs('sys'), await connectAs('worker')];
    const lost = sys.subscribe('$SYS.ACCOUNT.BELFRY.DISCONNECT', { max: 1 });
    await sys.flush();
    const clientId = worker.info?.client_id;
    const serverId = worker.info?.server_id ?? '';
    await sys.request(`$SYS.REQ.SERVER.${serverId}.KICK`, JSON.stringify({ cid: clientId }), { timeout: 2_000 });
    expect(JSON.parse((await firstOf(lost)) ?? '{}')).toMatchObject({ client: { user: 'worker', id: clientId } });
  });

  it('does not start without its passwords, and names the one that is missing', () => {
    const { BELFRY_NATS_SYS_PASSWORD: _, ...env } = server.env;
    const test = (): unknown => execFileSync(findNatsServer(), ['-c', 'nats.conf', '-t'], { env, stdio: 'pipe' });
    expect(test).toThrow(/BELFRY_NATS_SYS_PASSWORD/);
  });
});

async function connectAs(user: NatsUser): Promise<NatsConnection> {
  const connection = await connect({
    servers: server.url,
    user,
    pass: server.users[user].password,
    inboxPrefix: `_INBOX_${user}`,
    reconnect: false,
  });
  open.push(connection);
  return connection;
}

async function expectPublishDenied(user: NatsUser, subject: string): Promise<void> {
  const connection = await connectAs(user);
  const denied = (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'error' && status.error instanceof PermissionViolationError) return status.error;
    }
    return undefined;
  })();
  connection.publish(subject, 'forged');
  expect(await denied).toMatchObject({ operation: 'publish', subject });
}

/** The first message's text; undefined when the subscription ended without one. */
async function firstOf(messages: AsyncIterable<{ string(): string }>): Promise<string | undefined> {
  for await (const message of messages) return message.string();
  return undefined;
}
