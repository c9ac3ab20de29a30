/** Connections: their names, their loss and their return, over both implementations of broker/broker.ts. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Broker, clientName, type LaneStatus } from '../../broker/broker.ts';
import { BUCKET_CLUSTER } from '../../broker/subjects.ts';
import { appended, bytes, describeChange, flushed, LOG, readRecord, text } from '../support/broker-calls.ts';
import { type BrokerWorld, memoryWorld, natsWorld } from '../support/broker-worlds.ts';

describe.each([
  ['in memory', memoryWorld],
  ['on NATS', natsWorld],
])('a connection %s', (_name, makeWorld) => {
  let world: BrokerWorld;
  let worker: Broker;
  let webapp: Broker;
  let unique = 0;
  const subject = (head: string) => `${head}.t${(unique += 1)}`;
  const log = () => subject('belfry.log.0.7');

  beforeAll(async () => {
    world = await makeWorld();
    worker = await world.connect('worker-1');
    webapp = await world.connect('webapp-1', 'webapp');
  });
  afterAll(() => world.close());

  it('names them for the system account, which can find and close them', async () => {
    const system = await world.system();
    const gone: string[] = [];
    system.onDisconnect((event) => void gone.push(event.clientName));
    const victim = await world.connect('victim-1');
    const found = await system.connectionsOf('belfry.victim-1.', 2_000);
    expect(sorted(found.connections)).toEqual(sorted(victim.connections()));
    expect(found.connections).toHaveLength(world.connectionCount);
    expect(found.isComplete).toBe(true);
    const ref = victim.commands.connection();
    expect(await system.kick(ref!, 2_000)).toBe(true);
    await vi.waitFor(() => expect(gone).toContain(clientName('victim-1', 'commands')));
    expect(await system.kick(ref!, 2_000)).toBe(false);
    await victim.close();
    const none = { connections: [], isComplete: true };
    await vi.waitFor(async () => expect(await system.connectionsOf('belfry.victim-1.', 500)).toEqual(none));
  });

  it('reports the loss of one lane on every lane, then the return, and hears messages again', async () => {
    const system = await world.system();
    const victim = await world.connect('victim-2');
    const seen: string[] = [];
    const heard: [string, LaneStatus][] = [];
    const here = subject('belfry.ctl.drain');
    victim.commands.subscribe(here, (message) => void seen.push(text(message.data)));
    victim.commands.onStatus((status) => void heard.push(['commands', status]));
    victim.control.onStatus((status) => void heard.push(['control', status]));
    const [, , appendLane] = victim.connections();
    await system.kick(appendLane!, 2_000);
    await vi.waitFor(() => expect(heard).toHaveLength(4));
    expect(heard).toEqual([
      ['commands', 'disconnected'],
      ['control', 'disconnected'],
      ['commands', 'connected'],
      ['control', 'connected'],
    ]);
    expect(sorted(victim.connections())).not.toContainEqual(appendLane);
    await system.kick(victim.commands.connection()!, 2_000);
    await vi.waitFor(() => expect(heard).toHaveLength(8));
    expect(await victim.commands.flush(2_000)).toBe(true);
    webapp.commands.publish(here, bytes('back'));
    await vi.waitFor(() => expect(seen).toEqual(['back']));
    await victim.close();
  });

  it('answers nothing with certainty while the server is gone, and has everything stored when it is back', async () => {
    const victim = await world.connect('victim-3');
    const table = victim.kv(BUCKET_CLUSTER);
    await table.put('node.outage', bytes('before'));
    const changes: string[] = [];
    const watch = table.watch('node.outage', (change) => void changes.push(describeChange('', change)));
    await watch.ready;
    const here = log();
    const first = await appended(victim, here, 'before', 0);
    await world.stopServer();
    await vi.waitFor(() => expect(victim.connections()).toEqual([]));
    expect(victim.commands.status()).toBe('disconnected');
    expect(victim.commands.connection()).toBeUndefined();
    expect((await victim.records.append(here, bytes('during'), first, 500)).kind).toBe('unknown');
    expect((await victim.records.last(LOG, here)).kind).toBe('unavailable');
    expect((await table.get('node.outage')).kind).toBe('unavailable');
    expect((await table.put('node.outage', bytes('during'))).kind).toBe('unknown');
    await expect(table.entries('>')).rejects.toThrow();
    expect(await victim.commands.flush(500)).toBe(false);
    expect((await victim.control.request('belfry.ctl.worker.x', bytes(''), 500)).kind).toBe('unavailable');
    victim.commands.publish('belfry.ctl.worker.x', bytes('dropped'));
    await world.startServer();
    await vi.waitFor(() => expect(victim.commands.status()).toBe('connected'), { timeout: 5_000 });
    await vi.waitFor(async () => expect((await victim.records.last(LOG, here)).kind).toBe('found'));
    expect(await readRecord(victim.records.last(LOG, here))).toMatchObject({ text: 'before' });
    await appended(victim, here, 'after', first);
    // The watch is set up again by itself: it replays what is present, and hears of changes.
    await vi.waitFor(() => expect(changes).toEqual(['node.outage=before', 'node.outage=before']), { timeout: 5_000 });
    await vi.waitFor(async () => expect((await table.put('node.outage', bytes('after'))).kind).toBe('written'));
    await vi.waitFor(() => expect(changes.at(-1)).toBe('node.outage=after'));
    watch.stop();
    await victim.close();
  });

  it('settles what was waiting when its connection is lost', async () => {
    const system = await world.system();
    const victim = await world.connect('victim-4');
    const silent = subject('belfry.ctl.drain');
    worker.control.subscribe(silent, () => undefined);
    await flushed(worker);
    const waiting = victim.control.request(silent, bytes(''), 60_000);
    expect(await victim.control.flush(2_000)).toBe(true);
    await system.kick(victim.control.connection()!, 2_000);
    expect((await waiting).kind).toBe('unavailable');
    await victim.close();
  });

  it('is closed for good after close', async () => {
    const victim = await world.connect('victim-5');
    const heard: LaneStatus[] = [];
    victim.control.onStatus((status) => void heard.push(status));
    await victim.close();
    expect(victim.control.status()).toBe('closed');
    expect(heard).toEqual(['closed']);
    expect(victim.connections()).toEqual([]);
    expect((await victim.records.append(log(), bytes('x'), 0, 100)).kind).toBe('unknown');
    expect((await victim.control.request('belfry.ctl.worker.x', bytes(''), 100)).kind).toBe('unavailable');
    victim.commands.publish('belfry.ctl.worker.x', bytes('dropped'));
  });
});

function sorted<T>(list: readonly T[]): string[] {
  return list.map((item) => JSON.stringify(item)).sort();
}
