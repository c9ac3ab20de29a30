/**
 * `--peer uws`: the ceiling. One bare uWebSockets.js process (uws-server.ts) sends the same bytes to as many sockets, with
 * no log, no broker, no sessions and no checks. How long it gathers decides what a delivery costs it, so `uws-wide` is the
 * same once more with as long a window as all of Belfry's windows together.
 */
import { limits } from '../../platform/limits.ts';
import { LoadGroup } from '../load-group.ts';
import type { Peer, PeerWork } from '../peer.ts';
import { prepared, type RunContext } from '../scenario.ts';
import { DeployedSide, type Deployment, type Own } from './deployed-side.ts';
import type { UwsServer } from './uws-server.ts';

/** The longest that Belfry's own windows keep a message on its way from the channel to the socket. */
const widestMs = limits.commitWindowWideMs + limits.sendSpacingMs + limits.batchWindowMs + limits.batchRestMsMax;

export const uwsPeer = bareUws('uws', 'one bare uWebSockets.js process: the ceiling', ({ windowMs }) => windowMs);
export const wideUwsPeer = bareUws(
  'uws-wide',
  `the same with a window of ${widestMs} ms, as long as belfry's together`,
  () => widestMs,
);

function bareUws(name: string, summary: string, windowOf: (work: PeerWork) => number): Peer {
  return {
    name,
    summary,
    open(context, asked) {
      const work = { ...asked, windowMs: windowOf(asked) };
      const notes = [`publishes what became due every ${work.windowMs} ms in one turn, and stores nothing`];
      return prepared(new DeployedSide(context, { name, notes, deploy }, work));
    },
  };
}

async function deploy(context: RunContext, { frame, windowMs }: PeerWork, own: Own): Promise<Deployment> {
  const server = own(new LoadGroup<UwsServer>('./peers/uws-server', 1, context));
  const [listening] = await server.callAll('listen', null);
  return {
    processes: server.pids().map((pid) => ({ role: 'uws', pid })),
    load: [],
    url: `ws://127.0.0.1:${listening?.port ?? 0}/`,
    wire: 'plain',
    async publish(messages) {
      await server.callAll('publish', { frame, windowMs, ...messages });
      return { lastSeq: messages.firstId + messages.count - 1, failures: [] };
    },
  };
}
