/**
 * nats.conf on a real server: who may publish to what and subscribe to what, tried as every user, and the work of each
 * role done with what is left to it.
 */
import { execFileSync } from 'node:child_process';
import { connect, PermissionViolationError } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { connectNats } from '../../broker/nats-broker.ts';
import { provisionNats } from '../../broker/nats-provision.ts';
import { NATS_USERS, type NatsUser } from '../../broker/nats-users.ts';
import { BUCKET_CLUSTER, BUCKET_DIRECTORY, BUCKET_SECRETS, BUCKET_TOKENS } from '../../broker/subjects.ts';
import { appended, bytes, LOG, readRecord, readValue, text } from '../support/broker-calls.ts';
import { findNatsServer, startNatsServer } from '../support/nats-server.ts';
import type { TestNatsServer } from '../support/nats-server.ts';

let server: TestNatsServer;
/** Plain connections, and what the server refused each. */
const plain = new Map<NatsUser, { readonly connection: NatsConnection; readonly refused: string[] }>();
const brokers = new Map<NatsUser, Broker>();

beforeAll(async () => {
  server = await startNatsServer();
  await provisionNats(accessOf('admin'), { partitions: 1, replicas: 1 });
  for (const user of NATS_USERS) plain.set(user, await connectPlain(user));
  for (const user of ['webapp', 'worker', 'gateway'] as const) {
    brokers.set(user, await connectNats({ ...accessOf(user), records: user === 'worker' }));
  }
});

afterAll(async () => {
  await Promise.all([...brokers.values()].map((broker) => broker.close()));
  await Promise.all([...plain.values()].map(({ connection }) => connection.close()));
  await server.stop();
});

/** A subject that no user may publish to. */
const toNobody = 'belfry.nobody';
const waitOptions = { interval: 2, timeout: 5_000 };
const nobody: readonly NatsUser[] = [];
const nodes = ['webapp', 'worker', 'gateway'] as const;

describe('nats.conf lets nobody else', () => {
  it.each<[subject: string, who: readonly NatsUser[]]>([
    ['belfry.cmd.7', nodes],
    ['belfry.cmd.w-1', nodes],
    ['belfry.rep.a-1.1', ['worker']],
    ['belfry.out.eu', ['worker']],
    ['belfry.out.eu.g-1', ['worker']],
    ['belfry.hb.webapp.a-1', ['webapp']],
    ['belfry.hb.worker.w-1', ['worker']],
    ['belfry.hb.gateway.g-1', ['gateway']],
    ['belfry.ctl.webapp.a-1', ['worker']],
    ['belfry.ctl.worker.w-1', ['worker']],
    ['belfry.ctl.gateway.g-1', ['worker']],
    ['belfry.ctl.drain.w-1', ['webapp']],
    ['belfry.ctl.news.revoked', ['webapp']],
    ['belfry.log.0.7.C0FORGED', ['worker']],
    ['belfry.snap.7.C0FORGED.head', ['worker']],
    ['_INBOX_webapp.1', ['worker']],
    ['_INBOX_worker.1', ['worker']],
    ['_INBOX_gateway.1', nobody],
    ['_INBOX_admin.1', nobody],
    ['_INBOX_sys.1', nobody],
  ])('publish to %s', async (subject, who) => {
    expect(await publishersTo(subject)).toEqual(who);
  });

  it.each<[key: string, who: readonly NatsUser[]]>([
    [`${BUCKET_CLUSTER}.settings`, ['admin']],
    [`${BUCKET_CLUSTER}.layout`, ['admin']],
    [`${BUCKET_CLUSTER}.table`, ['worker', 'admin']],
    [`${BUCKET_CLUSTER}.manager`, ['worker', 'admin']],
    [`${BUCKET_CLUSTER}.node.webapp.a-1`, ['webapp', 'worker', 'admin']],
    [`${BUCKET_CLUSTER}.node.worker.w-1`, ['worker', 'admin']],
    [`${BUCKET_CLUSTER}.node.gateway.g-1`, ['worker', 'gateway', 'admin']],
    [`${BUCKET_DIRECTORY}.user.U1`, ['webapp', 'admin']],
    [`${BUCKET_TOKENS}.token.1`, ['webapp', 'admin']],
    [`${BUCKET_SECRETS}.signing.A1`, ['webapp', 'admin']],
  ])('write the key %s', async (key, who) => {
    expect(await publishersTo(`$KV.${key}`)).toEqual(who);
  });

  it.each<[stream: string, readers: readonly NatsUser[], followers: readonly NatsUser[]]>([
    [`KV_${BUCKET_CLUSTER}`, [...nodes, 'admin'], [...nodes, 'admin']],
    [`KV_${BUCKET_DIRECTORY}`, ['webapp', 'admin'], ['webapp', 'admin']],
    [`KV_${BUCKET_TOKENS}`, ['webapp', 'gateway', 'admin'], ['admin']],
    [`KV_${BUCKET_SECRETS}`, ['webapp', 'admin'], ['admin']],
    [LOG, ['worker', 'admin'], ['admin']],
    ['BELFRY_SNAP', ['worker', 'admin'], ['admin']],
  ])('read the stream %s or follow it', async (stream, readers, followers) => {
    const api = '$JS.API';
    expect(await publishersTo(`${api}.STREAM.MSG.GET.${stream}`)).toEqual(readers);
    expect(await publishersTo(`${api}.DIRECT.GET.${stream}.other.1`)).toEqual(['admin']);
    expect(await publishersTo(`${api}.CONSUMER.CREATE.${stream}.c1.>`)).toEqual(followers);
    expect(await publishersTo(`${api}.CONSUMER.INFO.${stream}.c1`)).toEqual(followers);
    expect(await publishersTo(`${api}.CONSUMER.DELETE.${stream}.c1`)).toEqual(followers);
    expect(await publishersTo(`${api}.CONSUMER.MSG.NEXT.${stream}.c1`)).toEqual(['admin']);
    expect(await publishersTo(`${api}.CONSUMER.DURABLE.CREATE.${stream}.c1`)).toEqual(['admin']);
    expect(await publishersTo(`$JS.FC.${stream}.c1.1`)).toEqual(followers);
  });

  it.each<[subject: string, who: readonly NatsUser[]]>([
    ['$JS.API.INFO', ['admin']],
    ['$JS.API.STREAM.INFO.OTHER', ['admin']],
    ['$JS.API.STREAM.LIST', ['admin']],
    [`$JS.API.DIRECT.GET.${LOG}`, ['worker', 'admin']],
    [`$JS.API.DIRECT.GET.${LOG}.belfry.log.0.7.C1`, ['worker', 'admin']],
    [`$JS.API.DIRECT.GET.KV_${BUCKET_DIRECTORY}`, ['admin']],
    [`$JS.API.DIRECT.GET.KV_${BUCKET_TOKENS}`, ['admin']],
    [`$JS.API.DIRECT.GET.KV_${BUCKET_SECRETS}`, ['admin']],
    ['$JS.API.STREAM.CREATE.OTHER', ['admin']],
    ['$JS.API.STREAM.UPDATE.OTHER', ['admin']],
    ['$JS.API.STREAM.PURGE.OTHER', ['admin']],
    ['$JS.API.STREAM.DELETE.OTHER', ['admin']],
    ['$JS.API.STREAM.MSG.DELETE.OTHER', ['admin']],
    ['$SYS.REQ.SERVER.PING.CONNZ', ['sys']],
    ['$SYS.REQ.SERVER.N1.CONNZ', ['sys']],
    ['$SYS.REQ.SERVER.PING.STATSZ', ['sys']],
    ['$SYS.REQ.SERVER.N1.KICK', ['sys']],
    ['$SYS.REQ.SERVER.N1.RELOAD', nobody],
    ['$SYS.REQ.SERVER.PING', nobody],
    ['$SYS.REQ.SERVER.PING.VARZ', nobody],
    ['$SYS.REQ.ACCOUNT.BELFRY.CONNZ', nobody],
  ])('ask the server %s', async (subject, who) => {
    expect(await publishersTo(subject)).toEqual(who);
  });

  it.each<[subject: string, queue: string | undefined, who: readonly NatsUser[]]>([
    ['belfry.cmd.7', 'owner', ['worker']],
    ['belfry.cmd.7', 'another', nobody],
    ['belfry.cmd.7', undefined, nobody],
    ['belfry.rep.a-1.*', undefined, nodes],
    ['belfry.out.>', undefined, ['gateway']],
    ['belfry.hb.>', undefined, nodes],
    ['belfry.ctl.>', undefined, nobody],
    ['belfry.ctl.webapp.a-1', undefined, ['webapp']],
    ['belfry.ctl.worker.w-1', undefined, ['worker']],
    ['belfry.ctl.gateway.g-1', undefined, ['gateway']],
    ['belfry.ctl.drain.w-1', undefined, nodes],
    ['belfry.ctl.news.revoked', undefined, ['webapp', 'gateway', 'admin']],
    ['belfry.log.>', undefined, nobody],
    ['belfry.snap.>', undefined, nobody],
    [`$KV.${BUCKET_SECRETS}.>`, undefined, nobody],
    ['$JS.>', undefined, nobody],
    ['_INBOX_webapp.>', undefined, ['webapp']],
    ['_INBOX_worker.>', undefined, ['worker']],
    ['_INBOX_gateway.>', undefined, ['gateway']],
    ['_INBOX_admin.>', undefined, ['admin']],
    ['$SYS.ACCOUNT.BELFRY.DISCONNECT', undefined, ['sys']],
    ['$SYS.ACCOUNT.BELFRY.CONNECT', undefined, nobody],
    ['$SYS.SERVER.N1.SHUTDOWN', undefined, nobody],
  ])('hear %s in the group %s', async (subject, queue, who) => {
    expect(await subscribersTo(subject, queue)).toEqual(who);
  });
});

describe('nats.conf lets', () => {
  it('a worker append with an expected sequence, and read the record by sequence and by subject', async () => {
    const worker = brokerOf('worker');
    const sequence = await appended(worker, 'belfry.log.0.7.C1', 'record', 0);
    expect(await worker.records.append('belfry.log.0.7.C1', bytes('other'), 0, 2_000)).toEqual({ kind: 'conflict' });
    expect(await readRecord(worker.records.at(LOG, sequence))).toMatchObject({ text: 'record' });
    expect(await readRecord(worker.records.last(LOG, 'belfry.log.0.7.C1'))).toMatchObject({ text: 'record' });
  });

  it('a worker of a cluster with replicas read the record through its leader', async () => {
    const worker = await connectNats({ ...accessOf('worker'), replicas: 3 });
    await appended(worker, 'belfry.log.0.8.C2', 'record', 0);
    expect(await readRecord(worker.records.last(LOG, 'belfry.log.0.8.C2'))).toMatchObject({ text: 'record' });
    await worker.close();
  });

  it('a worker write the table, and every node read, list and follow it', async () => {
    const written = await brokerOf('worker').kv(BUCKET_CLUSTER).put('table', bytes('one'));
    expect(written.kind).toBe('written');
    for (const user of nodes) {
      const bucket = brokerOf(user).kv(BUCKET_CLUSTER);
      expect(await readValue(bucket.get('table')), user).toBe('one');
      expect(
        (await bucket.entries('table')).map(({ key }) => key),
        user,
      ).toEqual(['table']);
      const seen: string[] = [];
      const watch = bucket.watch('table', (change) => void seen.push(change.kind));
      await watch.ready;
      expect(seen, user).toEqual(['put']);
      watch.stop();
    }
  });

  it('a node list itself and leave, and a worker take it off the list', async () => {
    const list = (user: NatsUser) => brokerOf(user).kv(BUCKET_CLUSTER);
    for (const user of nodes) {
      const key = `node.${user}.n-1`;
      expect((await list(user).create(key, bytes('entry'))).kind, user).toBe('written');
      expect((await list(user).create(key, bytes('entry'))).kind, user).toBe('conflict');
      expect((await list(user).delete(key)).kind, user).toBe('written');
      expect((await list(user).create(key, bytes('entry'))).kind, user).toBe('written');
      expect((await list('worker').delete(key)).kind, user).toBe('written');
    }
  });

  it('a webapp keep users, tokens and secrets, and a gateway look a token up', async () => {
    const webapp = brokerOf('webapp');
    for (const name of [BUCKET_DIRECTORY, BUCKET_TOKENS, BUCKET_SECRETS]) {
      expect((await webapp.kv(name).put('token.1', bytes('value'))).kind, name).toBe('written');
      expect(await readValue(webapp.kv(name).get('token.1')), name).toBe('value');
    }
    const watch = webapp.kv(BUCKET_DIRECTORY).watch('>', () => undefined);
    await watch.ready;
    watch.stop();
    expect(await readValue(brokerOf('gateway').kv(BUCKET_TOKENS).get('token.1'))).toBe('value');
  });

  it('a command reach the one worker of the queue group, and its reply come back', async () => {
    const [webapp, worker] = [brokerOf('webapp').commands, brokerOf('worker').commands];
    const replies: string[] = [];
    worker.subscribe('belfry.cmd.7', ({ reply }) => worker.publish(reply ?? '', bytes('done')), { queue: 'owner' });
    webapp.subscribe('belfry.rep.a-1.*', ({ noResponders }) => void replies.push(noResponders ? '503' : 'done'));
    await worker.flush(2_000);
    webapp.publish('belfry.cmd.7', bytes('post'), 'belfry.rep.a-1.1');
    await vi.waitFor(() => expect(replies).toEqual(['done']));
    webapp.publish('belfry.cmd.8', bytes('post'), 'belfry.rep.a-1.2');
    await vi.waitFor(() => expect(replies).toEqual(['done', '503']));
  });

  it('a batch reach the gateways of its region, and no other', async () => {
    const worker = brokerOf('worker').commands;
    const gateway = brokerOf('gateway').commands;
    const heard: string[] = [];
    for (const region of ['eu', 'us']) gateway.subscribe(`belfry.out.${region}`, () => void heard.push(region));
    await gateway.flush(2_000);
    worker.publish('belfry.out.eu', bytes('batch'));
    worker.publish('belfry.out.us', bytes('batch'));
    await vi.waitFor(() => expect(heard).toEqual(['eu', 'us']));
  });

  it.each(['webapp', 'gateway', 'worker'] as const)('a %s answer a ping and a request to drain', async (user) => {
    const { control } = brokerOf(user);
    const here = [`belfry.ctl.${user}.n-1`, `belfry.ctl.drain.${user}-1`] as const;
    for (const subject of here) control.subscribe(subject, ({ reply }) => control.publish(reply ?? '', bytes('yes')));
    await control.flush(2_000);
    expect((await brokerOf('worker').control.request(here[0], bytes('ping'), 2_000)).kind).toBe('reply');
    expect((await brokerOf('webapp').control.request(here[1], bytes('drain'), 2_000)).kind).toBe('reply');
  });

  it('no gateway have a consumer speak to a node in its place', async () => {
    const { connection: gateway } = plainOf('gateway');
    const here = 'belfry.ctl.drain.w-9';
    const [atLane, onTheWire]: [string[], string[]] = [[], []];
    const worker = brokerOf('worker').control;
    worker.subscribe(here, ({ data }) => void atLane.push(text(data)));
    plainOf('worker').connection.subscribe(here, { callback: (_, message) => void onTheWire.push(message.string()) });
    await Promise.all([worker.flush(2_000), plainOf('worker').connection.flush()]);
    const key = `$KV.${BUCKET_CLUSTER}.node.gateway.forger-1`;
    await gateway.request(key, 'forged', { timeout: 2_000 });
    const config = { name: 'forger', ack_policy: 'none', filter_subject: key, deliver_subject: here };
    const order = JSON.stringify({ stream_name: `KV_${BUCKET_CLUSTER}`, config });
    await gateway.request(`$JS.API.CONSUMER.CREATE.KV_${BUCKET_CLUSTER}.forger.${key}`, order, { timeout: 2_000 });
    await vi.waitFor(() => expect(onTheWire).toEqual(['forged']));
    brokerOf('webapp').control.publish(here, bytes('drain'));
    await vi.waitFor(() => expect(atLane).toEqual(['drain']));
  });

  it('the system user hear of a lost connection, and cut one', async () => {
    const sys = plainOf('sys').connection;
    const { connection: victim } = await connectPlain('worker');
    const lost: unknown[] = [];
    sys.subscribe('$SYS.ACCOUNT.BELFRY.DISCONNECT', { callback: (_, message) => void lost.push(message.json()) });
    await sys.flush();
    const { client_id: id, server_id: host } = victim.info!;
    await sys.request(`$SYS.REQ.SERVER.${host}.KICK`, JSON.stringify({ cid: id }), { timeout: 2_000 });
    await vi.waitFor(() => expect(lost).toMatchObject([{ client: { user: 'worker', id } }]));
  });

  it('nobody in without its passwords, and names the one that is missing', () => {
    const { BELFRY_NATS_SYS_PASSWORD: _, ...env } = server.env;
    const test = (): unknown => execFileSync(findNatsServer(), ['-c', 'nats.conf', '-t'], { env, stdio: 'pipe' });
    expect(test).toThrow(/BELFRY_NATS_SYS_PASSWORD/);
  });
});

/** The users that the server lets publish there, in the order of NATS_USERS. */
async function publishersTo(subject: string): Promise<readonly NatsUser[]> {
  for (const { connection } of plain.values()) connection.publish(subject, 'forged');
  return usersNotRefused(subject);
}

async function subscribersTo(subject: string, queue: string | undefined): Promise<readonly NatsUser[]> {
  const options = { ...(queue === undefined ? {} : { queue }), callback: () => undefined };
  const subscriptions = [...plain.values()].map(({ connection }) => connection.subscribe(subject, options));
  const users = await usersNotRefused(subject);
  for (const subscription of subscriptions) subscription.unsubscribe();
  return users;
}

/** Refusals come in order: after one that must come, all before it are here. */
async function usersNotRefused(subject: string): Promise<readonly NatsUser[]> {
  for (const { connection } of plain.values()) connection.publish(toNobody, '');
  await vi.waitFor(() => {
    for (const { refused } of plain.values()) expect(refused).toContain(toNobody);
  }, waitOptions);
  const users = NATS_USERS.filter((user) => !plainOf(user).refused.includes(subject));
  for (const { refused } of plain.values()) refused.splice(0);
  return users;
}

async function connectPlain(user: NatsUser): Promise<{ connection: NatsConnection; refused: string[] }> {
  const { password } = server.users[user];
  const inboxPrefix = `_INBOX_${user}`;
  const connection = await connect({ servers: server.url, user, pass: password, inboxPrefix, reconnect: false });
  const refused: string[] = [];
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'error' && status.error instanceof PermissionViolationError) {
        refused.push(status.error.subject);
      }
    }
  })();
  return { connection, refused };
}

function accessOf(user: NatsUser) {
  return { servers: [server.url], ...server.users[user], incarnation: `${user}-1` };
}

function brokerOf(user: NatsUser): Broker {
  return brokers.get(user)!;
}

function plainOf(user: NatsUser) {
  return plain.get(user)!;
}
