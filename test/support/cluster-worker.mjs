/**
 * A worker process with a host that only answers: who it is and under which epoch. From dist/, as every process test.
 * argv: nats url, user, password, system password, node id. Says what happens to it in lines of JSON.
 */
import { connectNats } from '../../dist/broker/nats-broker.js';
import { connectNatsSystem } from '../../dist/broker/nats-system.js';
import { startWorkerNode } from '../../dist/cluster/worker-node.js';
import { systemClock } from '../../dist/platform/clock.js';
import { createLogger } from '../../dist/platform/logger.js';
import { systemRng } from '../../dist/platform/rng.js';
import { makeIncarnation, parseNodeId } from '../../dist/protocol/ids.js';
import { decodeEnvelope, encodeReplies } from '../../dist/protocol/envelopes.js';

const [url, user, password, systemPassword, name] = process.argv.slice(2);
const say = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const id = parseNodeId(name);
const incarnation = makeIncarnation(id, systemRng);
const logger = createLogger({ role: 'worker', id: name, level: process.env.BELFRY_LOG_LEVEL ?? 'warn' });
const broker = await connectNats({ servers: [url], user, password, incarnation, replicas: 1 });
const system = await connectNatsSystem({ servers: [url], user: 'sys', password: systemPassword, incarnation });

const open = new Map();
let serving = false;
const host = {
  open: (slot, grant) => open.set(slot, grant),
  deliver(slot, bytes, reply) {
    const { requestId } = decodeEnvelope(bytes);
    const grant = open.get(slot);
    const answer =
      serving && grant !== undefined
        ? { requestId, ok: true, result: { by: name, incarnation, epoch: grant.epoch } }
        : { requestId, ok: false, failure: { kind: 'retryable', reason: 'unsure' } };
    broker.commands.publish(reply, encodeReplies([answer]));
  },
  close: async (slot) => void open.delete(slot),
  abandon: (slot) => void open.delete(slot),
  setServing: (now) => (serving = now),
  gatewayGone() {},
  gatewaysAlive() {},
  onFenced() {},
  beforeAppend() {},
  actorCount: () => 0,
};

const entry = {
  id,
  incarnation,
  role: 'worker',
  zone: '',
  weight: 1,
  region: '',
  publicUrl: '',
  pid: process.pid,
  version: '0',
  startedAt: systemClock.wallMs(),
};
const node = startWorkerNode({ broker, system, host, entry, clock: systemClock, logger });
node.onEvicted(() => {
  say('evicted', { open: open.size });
  process.exit(3);
});
const drain = async () => {
  await node.drain();
  await node.stop();
  await broker.close();
  say('drained');
  process.exit(0);
};
node.onDrainRequested(() => void drain());
process.stdin.on('end', () => process.exit(4)).resume();
await node.ready;
say('ready', { incarnation });
