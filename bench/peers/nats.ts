/**
 * `--peer nats`: clients subscribed straight to a nats-server, which fans out to them; no sessions, no log, no check of
 * who may read. A plain nats-server as it comes; a load process publishes to it over a connection of its own, as a
 * worker's batches come, but one NATS message per message. nats-server gathers what it writes to a connection by itself.
 */
import { UsageError } from '../../platform/config.ts';
import { findServerBinary } from '../../platform/server-binary.ts';
import { LoadGroup } from '../load-group.ts';
import type { Peer, PeerWork } from '../peer.ts';
import { prepared, type RunContext } from '../scenario.ts';
import { DeployedSide, type DeployedPeer, type Deployment, type Own } from './deployed-side.ts';
import { startServer } from '../hosted-server.ts';
import type { NatsPublisher } from './nats-publisher.ts';

const deployed: DeployedPeer = {
  name: 'nats',
  notes: ['is one nats-server, which its clients speak to directly; it gathers writes by itself, and stores nothing'],
  deploy,
};

export const natsPeer: Peer = {
  name: deployed.name,
  summary: 'clients subscribed straight to a nats-server',
  check: (work) => void natsServerPath(work),
  open: (context, work) => prepared(new DeployedSide(context, deployed, work)),
};

async function deploy(context: RunContext, work: PeerWork, own: Own): Promise<Deployment> {
  const { channel, frame } = work;
  const server = own(
    await startServer(context, {
      path: natsServerPath(work),
      argsFor: (port) => ['-a', '127.0.0.1', '-p', String(port)],
      readyText: 'Server is ready',
    }),
  );
  const publisher = own(new LoadGroup<NatsPublisher>('./peers/nats-publisher', 1, context));
  const url = `nats://127.0.0.1:${server.port}`;
  await publisher.callAll('connect', { url, subject: channel });
  return {
    processes: [{ role: 'nats', pid: server.pid }],
    load: [publisher],
    url,
    wire: 'nats',
    async publish(messages) {
      await publisher.callAll('publish', { frame, ...messages });
      return { lastSeq: messages.firstId + messages.count - 1, failures: [] };
    },
  };
}

function natsServerPath({ natsServer }: Pick<PeerWork, 'natsServer'>): string {
  const path = natsServer ?? findServerBinary('nats-server');
  if (path === undefined) throw new UsageError('--peer nats needs a nats-server: run ./scripts/setup.sh');
  return path;
}
