/**
 * `--peer uws`: the ceiling. One bare uWebSockets.js process (uws-server.ts) sends the same bytes to as many sockets, with
 * no log, no broker, no sessions and no checks.
 */
import { checkDelivery, settle, type Delivered } from '../fanout-checks.ts';
import type { FanoutSockets } from '../fanout-sockets.ts';
import { LoadGroup } from '../load-group.ts';
import type { Peer, PeerSide, PeerWork } from '../peer.ts';
import { prepared, type RunContext } from '../scenario.ts';
import { measureStretch, type Stretch } from '../stretch.ts';
import type { UwsServer } from './uws-server.ts';

const warmUpSeconds = 1;

export const uwsPeer: Peer = {
  name: 'uws',
  summary: 'one bare uWebSockets.js process: the ceiling',
  open: (context, work) => prepared(new UwsSide(context, work)),
};

class UwsSide implements PeerSide {
  readonly #context: RunContext;
  readonly #work: PeerWork;
  readonly #server: LoadGroup<UwsServer>;
  readonly #sockets: LoadGroup<FanoutSockets>;
  #nextSeq = 1;

  constructor(context: RunContext, work: PeerWork) {
    this.#context = context;
    this.#work = work;
    this.#server = new LoadGroup<UwsServer>('./peers/uws-server', 1, context);
    this.#sockets = new LoadGroup<FanoutSockets>('./fanout-sockets', work.loadProcs, context);
  }

  async prepare(): Promise<void> {
    const { sockets, loadProcs, channel } = this.#work;
    const [listening] = await this.#server.callAll('listen', null);
    const url = `ws://127.0.0.1:${listening?.port ?? 0}/`;
    const share = (at: number) => Math.floor(sockets / loadProcs) + (at < sockets % loadProcs ? 1 : 0);
    await this.#sockets.callEach('connectTo', (at) => ({ url, channel, count: share(at) }));
    await this.#deliver(warmUpSeconds);
  }

  run(seconds: number): Promise<Stretch<Delivered>> {
    const side = {
      subject: uwsPeer.name,
      processes: this.#server.pids().map((pid) => ({ role: 'uws', pid })),
      load: [this.#sockets],
      progress: this.#sockets.progress('deliveries', 'deliveries'),
    };
    // Its profile would tell about uWebSockets.js, which is not ours to change.
    return measureStretch({ ...this.#context, profileFolder: undefined }, side, () => this.#deliver(seconds));
  }

  notes(): string[] {
    return [`uws publishes what became due every ${this.#work.windowMs} ms in one turn, and stores nothing`];
  }

  async close(): Promise<void> {
    await Promise.all([this.#server.stop(), this.#sockets.stop()]);
  }

  async #deliver(seconds: number): Promise<Delivered> {
    const { rate, bytes, windowMs, sockets, frame } = this.#work;
    const count = rate * seconds;
    const firstSeq = this.#nextSeq;
    this.#nextSeq += count;
    await this.#server.callAll('publish', { frame, firstSeq, rate, count, bytes, windowMs });
    const failures = await settle(this.#context, this.#sockets, firstSeq + count - 1, sockets);
    const reports = await this.#sockets.callAll('report', null);
    return { reports, failures: [...failures, ...checkDelivery(reports, sockets, firstSeq, count)] };
  }
}
