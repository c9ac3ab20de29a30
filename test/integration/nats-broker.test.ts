/** What only a real nats-server shows: set-up, refusals, permissions, and reads through the leader. */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BrokerUnusableError } from '../../broker/broker.ts';
import { readLayout } from '../../broker/layout.ts';
import { connectNats } from '../../broker/nats-broker.ts';
import { provisionNats } from '../../broker/nats-provision.ts';
import { BUCKET_CLUSTER } from '../../broker/subjects.ts';
import { createMemoryLogger } from '../../platform/logger.ts';
import type { NatsUser } from '../../broker/nats-users.ts';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';

const LAYOUT = { partitions: 2, replicas: 1 };

describe('the broker on NATS', () => {
  let server: TestNatsServer;
  const access = (user: NatsUser) => ({ servers: [server.url], ...server.users[user], incarnation: `${user}-1` });

  beforeAll(async () => {
    server = await startNatsServer();
  });
  afterAll(() => server.stop());

  it('says in one line that it is not initialised, and leaves no connection open', async () => {
    const error = await failureOf(connectNats(access('worker')));
    expect(error.message).toMatch(/belfry init/);
    expect(error.message).not.toMatch(/\n/);
  });

  it('is initialised any number of times, always to the same layout', async () => {
    await provisionNats(access('admin'), LAYOUT);
    await provisionNats(access('admin'), LAYOUT);
    expect((await failureOf(provisionNats(access('admin'), { ...LAYOUT, partitions: 4 }))).message).toMatch(
      /already initialised with 2 partitions/,
    );
    expect((await failureOf(provisionNats(access('admin'), { ...LAYOUT, replicas: 2 }))).message).toMatch(
      /replicas 1, 3 or 5/,
    );
    for (const user of ['webapp', 'gateway'] as const) {
      const broker = await connectNats({ ...access(user), records: false });
      expect(await readLayout(broker.kv(BUCKET_CLUSTER))).toEqual(LAYOUT);
      await broker.close();
    }
  });

  it('keeps logs without an age, refusing rather than forgetting when full', async () => {
    const { connection, manager } = await connectAdmin(server);
    const { config } = await manager.streams.info('BELFRY_LOG_1');
    expect(config).toMatchObject({
      storage: 'file',
      discard: 'new',
      max_age: 0,
      allow_direct: true,
      deny_delete: true,
    });
    expect((await manager.streams.info('KV_belfry_cluster')).config.allow_direct).toBe(false);
    await manager.streams.update('BELFRY_LOG_1', { max_age: 3_600_000_000_000 });
    expect((await failureOf(provisionNats(access('admin'), LAYOUT))).message).toMatch(/BELFRY_LOG_1 has a max_age/);
    await manager.streams.update('BELFRY_LOG_1', { max_age: 0 });
    await connection.close();
  });

  it('refuses wrong credentials in one line', async () => {
    const error = await failureOf(connectNats({ ...access('worker'), password: 'wrong' }));
    expect(error.message).toBe(`nats-server at ${server.url} refused the user worker or its password`);
  });

  it('reads the newest record through the leader where there are replicas', async () => {
    const broker = await connectNats({ ...access('worker'), replicas: 3 });
    const subject = 'belfry.log.0.8.C1';
    const first = await broker.records.append(subject, Buffer.from('one'), 0, 2_000);
    const expected = first.kind === 'stored' ? first.sequence : 0;
    await broker.records.append(subject, Buffer.from('two'), expected, 2_000);
    const last = await broker.records.last('BELFRY_LOG_0', subject);
    expect(last).toMatchObject({ kind: 'found', record: { subject, previous: expected } });
    expect(last.kind === 'found' && String(last.record.data)).toBe('two');
    expect(await broker.records.last('BELFRY_LOG_0', 'belfry.log.0.8.C2')).toEqual({ kind: 'absent' });
    expect(await broker.records.at('BELFRY_LOG_0', 1_000)).toEqual({ kind: 'absent' });
    await broker.close();
  });

  it('writes nothing to disk for a watch: what it frees may keep a disk, and every append, for a while', async () => {
    const broker = await connectNats(access('worker'));
    await broker.kv(BUCKET_CLUSTER).watch('table', () => undefined).ready;
    const { connection, manager } = await connectAdmin(server);
    const consumers = await manager.consumers.list('KV_belfry_cluster').next();
    expect(consumers.length).toBeGreaterThan(0);
    expect(consumers.filter(({ config }) => config.mem_storage !== true)).toEqual([]);
    await connection.close();
    await broker.close();
  });

  it('does not let a gateway into the log, and reports the refusal', async () => {
    const { logger, lines } = createMemoryLogger();
    const gateway = await connectNats({ ...access('gateway'), replicas: 1, logger });
    expect((await gateway.records.append('belfry.log.0.8.C9', Buffer.from('forged'), 0, 300)).kind).toBe('unknown');
    expect((await gateway.records.last('BELFRY_LOG_0', 'belfry.log.0.8.C1')).kind).toBe('unavailable');
    expect((await gateway.kv(BUCKET_CLUSTER).put('table', Buffer.from('forged'))).kind).toBe('unknown');
    await vi.waitFor(() =>
      expect(lines.filter(({ event }) => event === 'nats_error').length).toBeGreaterThanOrEqual(3),
    );
    expect(JSON.stringify(lines)).not.toContain(server.users.gateway.password);
    await gateway.close();
  });

  it('notices a frozen server, and goes on when it thaws', async () => {
    const broker = await connectNats(access('worker'));
    server.freeze();
    // The signal may take effect a moment later: the first appends may still be stored.
    let last = 0;
    await vi.waitFor(async () => {
      const attempt = await broker.records.append('belfry.log.0.8.C3', Buffer.from('x'), last, 300);
      if (attempt.kind === 'stored') last = attempt.sequence;
      expect(attempt.kind).toBe('unknown');
    });
    await vi.waitFor(() => expect(broker.control.status()).toBe('disconnected'), { timeout: 5_000 });
    server.thaw();
    await vi.waitFor(() => expect(broker.control.status()).toBe('connected'), { timeout: 5_000 });
    expect(await broker.control.flush(2_000)).toBe(true);
    await broker.close();
  });
});

async function connectAdmin(server: TestNatsServer) {
  const { user, password } = server.users.admin;
  const connection = await connect({ servers: server.url, user, pass: password, inboxPrefix: '_INBOX_admin' });
  return { connection, manager: await jetstreamManager(connection) };
}

async function failureOf(attempt: Promise<unknown>): Promise<Error> {
  const error: unknown = await attempt.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(BrokerUnusableError);
  return error as Error;
}
