/** The bare uWebSockets.js side of the fan-out scenario: its process, its own sockets, and one run of it. */
import type { RoleProcess } from '../cpu-meter.ts';
import type { FanoutSockets } from '../fanout-sockets.ts';
import { checkDelivery, settle, type Delivered } from '../fanout-checks.ts';
import { LoadGroup } from '../load-group.ts';
import { measureStretch, type Stretch } from '../profiled-cpu.ts';
import type { RunContext } from '../scenario.ts';
import type { UwsPeer } from './uws.ts';

export type UwsSideOptions = {
  readonly sockets: number;
  readonly rate: number;
  readonly bytes: number;
  readonly peerWindowMs: number;
  readonly loadProcs: number;
};

const warmUpSeconds = 1;

export class UwsSide {
  readonly #context: RunContext;
  readonly #options: UwsSideOptions;
  readonly #server: LoadGroup<UwsPeer>;
  readonly #sockets: LoadGroup<FanoutSockets>;
  #frame = '';
  #nextSeq = 1;

  constructor(context: RunContext, options: UwsSideOptions) {
    this.#context = context;
    this.#options = options;
    this.#server = new LoadGroup<UwsPeer>('./peers/uws', 1, context);
    this.#sockets = new LoadGroup<FanoutSockets>('./fanout-sockets', options.loadProcs, context);
  }

  /** `frame`: a message frame of ours, to copy. */
  async prepare(frame: string, channel: string): Promise<void> {
    const { sockets, loadProcs } = this.#options;
    this.#frame = frame;
    const [listening] = await this.#server.callAll('listen', null);
    const url = `ws://127.0.0.1:${listening?.port ?? 0}/`;
    const share = (at: number) => Math.floor(sockets / loadProcs) + (at < sockets % loadProcs ? 1 : 0);
    await this.#sockets.callEach('connectTo', (at) => ({ url, channel, count: share(at) }));
    await this.#deliver(warmUpSeconds);
  }

  run(seconds: number): Promise<Stretch<Delivered>> {
    const processes: RoleProcess[] = this.#server.pids().map((pid) => ({ role: 'uws', pid }));
    // Its profile would tell about uWebSockets.js, which is not ours to change.
    return measureStretch({ ...this.#context, profileFolder: undefined }, processes, () => this.#deliver(seconds));
  }

  notes(): string[] {
    return this.#sockets.notes();
  }

  async close(): Promise<void> {
    await Promise.all([this.#server.stop(), this.#sockets.stop()]);
  }

  #deliver(seconds: number): Promise<Delivered> {
    const { rate, bytes, peerWindowMs: windowMs, sockets } = this.#options;
    const count = rate * seconds;
    const firstSeq = this.#nextSeq;
    this.#nextSeq += count;
    return this.#sockets.watch('deliveries', 'deliveries by bare uWS', async () => {
      await this.#server.callAll('publish', { frame: this.#frame, firstSeq, rate, count, bytes, windowMs });
      const failures = await settle(this.#context, this.#sockets, firstSeq + count - 1, sockets);
      const reports = await this.#sockets.callAll('report', null);
      return { reports, failures: [...failures, ...checkDelivery(reports, sockets, firstSeq, count)] };
    });
  }
}
