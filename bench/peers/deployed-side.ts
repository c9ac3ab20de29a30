/**
 * The side of a peer in the fan-out scenario, once its servers are described as a Deployment: its own sockets, in load
 * processes of the same kind as ours; a warm-up; and runs, measured and checked as ours are.
 *
 * D1  Every message of a peer has a seq, dense and in the order in which the peer took the messages in.
 */
import { defined } from '../../platform/assert.ts';
import { checkDelivery, settle, type Delivered } from '../fanout-checks.ts';
import type { FanoutSockets } from '../fanout-sockets.ts';
import { LoadGroup } from '../load-group.ts';
import type { PeerSide, PeerWork } from '../peer.ts';
import type { RoleProcess } from '../process-meter.ts';
import type { RunContext } from '../scenario.ts';
import { measureStretch, type Stretch, type WatchedLoad } from '../stretch.ts';
import type { Wire } from '../subscriber.ts';
import { SustainedRate } from '../sustained-rate.ts';

/** Messages firstId, firstId + 1 … of so many bytes on a fixed schedule. */
export type PublishWork = {
  readonly firstId: number;
  readonly rate: number;
  readonly count: number;
  readonly bytes: number;
};
export type Published = { readonly lastSeq: number; readonly failures: readonly string[] };

/** What runs of a peer, and how to use it. */
export type Deployment = {
  /** Every server process: all that counts as server CPU. */
  readonly processes: readonly RoleProcess[];
  /** What feeds messages in. */
  readonly load: readonly WatchedLoad[];
  /** Where clients connect, and what they speak. */
  readonly url: string;
  readonly wire: Wire;
  /** Resolves when the last message is sent, and answered where the peer answers (D1). */
  publish(work: PublishWork): Promise<Published>;
};

/** Takes what was started into the side's keeping: it is stopped with the side, also when the rest does not start. */
export type Own = <Started extends { stop(): Promise<void> }>(started: Started) => Started;

export type DeployedPeer = {
  readonly name: string;
  readonly notes: readonly string[];
  deploy(context: RunContext, work: PeerWork, own: Own): Promise<Deployment>;
};

export class DeployedSide implements PeerSide {
  readonly #context: RunContext;
  readonly #peer: DeployedPeer;
  readonly #work: PeerWork;
  readonly #sockets: LoadGroup<FanoutSockets>;
  readonly #owned: { stop(): Promise<void> }[] = [];
  #deployment: Deployment | undefined;
  readonly #rate: SustainedRate;
  #nextId = 1;

  constructor(context: RunContext, peer: DeployedPeer, work: PeerWork) {
    this.#context = context;
    this.#peer = peer;
    this.#work = work;
    this.#rate = new SustainedRate(work);
    this.#sockets = this.#own(new LoadGroup<FanoutSockets>('./fanout-sockets', work.loadProcs, context));
  }

  async prepare(): Promise<void> {
    const { sockets, loadProcs, channel } = this.#work;
    this.#deployment = await this.#peer.deploy(this.#context, this.#work, this.#own);
    const { url, wire } = this.#deployment;
    const share = (at: number) => Math.floor(sockets / loadProcs) + (at < sockets % loadProcs ? 1 : 0);
    await this.#sockets.callEach('connectTo', (at) => ({ wire, url, channel, count: share(at) }));
    await this.#rate.find((rate, seconds) => this.#deliver(rate, seconds));
  }

  processes(): readonly RoleProcess[] {
    return this.#deployed().processes;
  }

  run(seconds: number): Promise<Stretch<Delivered>> {
    const { processes, load } = this.#deployed();
    const side = {
      subject: this.#peer.name,
      processes,
      load: [this.#sockets, ...load],
      progress: this.#sockets.progress('deliveries', 'deliveries'),
    };
    // Its profile would tell about libraries that are not ours to change.
    const unprofiled = { ...this.#context, profileFolder: undefined };
    return this.#rate.measure((rate) => measureStretch(unprofiled, side, () => this.#deliver(rate, seconds)));
  }

  notes(): string[] {
    const { name, notes } = this.#peer;
    return [...notes.map((note) => `${name} ${note}`), ...this.#rate.notes(name)];
  }

  async close(): Promise<void> {
    await Promise.all(this.#owned.map((one) => one.stop()));
  }

  readonly #own: Own = (started) => {
    this.#owned.push(started);
    return started;
  };

  async #deliver(rate: number, seconds: number): Promise<Delivered> {
    const { sockets, bytes } = this.#work;
    const count = Math.ceil(rate * seconds);
    const firstId = this.#nextId;
    this.#nextId += count;
    const published = await this.#deployed().publish({ firstId, rate, count, bytes });
    const late = await settle(this.#context, this.#sockets, published.lastSeq, sockets);
    const reports = await this.#sockets.callAll('report', null);
    const wrong = checkDelivery(reports, sockets, firstId, count);
    return { rate, reports, failures: [...published.failures, ...late, ...wrong] };
  }

  #deployed(): Deployment {
    return defined(this.#deployment, 'deployed-side/prepared');
  }
}
