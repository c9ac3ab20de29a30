/** What a node hears counts by its subject, which the broker's permissions hold: a role cannot speak as another. */
import { expect, it } from 'vitest';
import { MemoryBrokerHub } from '../../../broker/memory-broker.ts';
import { BUCKET_CLUSTER, subjects } from '../../../broker/subjects.ts';
import { ControlChannel } from '../../../cluster/control-channel.ts';
import { Membership } from '../../../cluster/membership.ts';
import { nodeKey } from '../../../cluster/own-node.ts';
import { createMemoryLogger } from '../../../platform/logger.ts';
import { ManualClock } from '../../../platform/clock.ts';
import { encodeHeartbeat, encodeNodeEntry, type Heartbeat } from '../../../protocol/cluster.ts';
import { encodeControl } from '../../../protocol/control.ts';
import { ClusterLab } from '../../support/cluster-lab.ts';

it('takes no heartbeat of a worker from a subject of another node or role', async () => {
  const lab = new ClusterLab();
  const broker = lab.hub.connect('listener');
  const worker = lab.entry('w', 'worker', {});
  const { role, incarnation } = worker;
  const bucket = broker.kv(BUCKET_CLUSTER);
  await bucket.put(nodeKey(role, incarnation), encodeNodeEntry(worker));
  const { logger, lines } = createMemoryLogger();
  const membership = new Membership({ bucket, lane: broker.control, clock: lab.clock, logger });
  void membership.start();
  await lab.run(50);
  const beat: Heartbeat = { incarnation, role, view: 9, load: 0, wallMs: 0, monotonicMs: 0, state: 'serving' };
  const other = lab.entry('w', 'worker', {}).incarnation;
  const beats = [
    [subjects.heartbeat('gateway', incarnation), beat],
    [subjects.heartbeat('gateway', incarnation), { ...beat, role: 'gateway' }],
    [subjects.heartbeat('worker', other), beat],
  ] as const;
  for (const [subject, forged] of beats) broker.control.publish(subject, encodeHeartbeat(forged));
  await lab.run(50);
  expect(membership.get(incarnation)?.beat).toBeUndefined();
  expect(lines.filter(({ event }) => event === 'membership_message_dropped')).toHaveLength(beats.length);
  broker.control.publish(subjects.heartbeat(role, incarnation), encodeHeartbeat(beat));
  await lab.run(50);
  expect(membership.get(incarnation)?.beat).toEqual(beat);
  membership.stop();
});

it('hears nothing but a request to drain on the subject for it, and hears that nowhere else', async () => {
  const clock = new ManualClock();
  const broker = new MemoryBrokerHub({ clock }).connect('w-1');
  const { role, incarnation } = new ClusterLab().entry('w', 'worker', {});
  const { logger, lines } = createMemoryLogger();
  const control = new ControlChannel(broker.control, { role, incarnation }, logger);
  const heard: string[] = [];
  for (const kind of ['drain', 'let-go', 'release'] as const) control.handle(kind, () => void heard.push(kind));
  control.listen();
  const claims = [[1, 1]] as const;
  broker.control.publish(subjects.drain(incarnation), encodeControl({ kind: 'let-go', claims }));
  broker.control.publish(subjects.drain(incarnation), encodeControl({ kind: 'release', from: incarnation, claims }));
  broker.control.publish(subjects.control(role, incarnation), encodeControl({ kind: 'drain' }));
  await clock.advanceAndSettle(10);
  expect(heard).toEqual([]);
  expect(lines.filter(({ event }) => event === 'control_message_dropped')).toHaveLength(3);
  broker.control.publish(subjects.drain(incarnation), encodeControl({ kind: 'drain' }));
  broker.control.publish(subjects.control(role, incarnation), encodeControl({ kind: 'let-go', claims }));
  await clock.advanceAndSettle(10);
  expect(heard).toEqual(['drain', 'let-go']);
});
