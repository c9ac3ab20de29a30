/**
 * `belfry bench fanout`: what a delivery costs. One channel, many sockets, messages on a fixed schedule through the
 * whole path (HTTP, webapp, worker with its durable append, NATS, gateway); then each peer (peer.ts) sends the same bytes
 * to as many clients at the same rate. The figure is their ratio.
 *
 * F1  Cost is CPU time from the first post's due time until the last socket has the last message, by role
 *     (fanout-figures.ts).
 * F2  Each socket must get each posted message once, in order; else the run has failed.
 * F3  The sides take turns, in the other order in every second run. All of them are there all the time; what the idle
 *     ones use meanwhile is measured, and stands beside the side that had to work with it.
 */
import { defined } from '../platform/assert.ts';
import { defineOptions, integerSchema, switchSchema, type OptionValues } from '../platform/config.ts';
import { limits } from '../platform/limits.ts';
import { joinAll, makeChannels, makeUsers, type BenchChannel } from './bench-workspace.ts';
import { checkDelivery, settle, type Delivered } from './fanout-checks.ts';
import { latencyOf, measure, ratios } from './fanout-figures.ts';
import type { FanoutPoster } from './fanout-poster.ts';
import type { FanoutSockets } from './fanout-sockets.ts';
import { LoadGroup } from './load-group.ts';
import type { PeerSide } from './peer.ts';
import { idleBeside, takeTurns, type TurnSide } from './fanout-turns.ts';
import { peersDescription, peersNamed, peersSchema } from './peers/peers.ts';
import { checkWarmUp, defineScenario, prepared, type RunContext, type RunResult, type Session } from './scenario.ts';
import { serverOptions, textBytesOption } from './server-options.ts';
import { openServers, type Servers } from './servers.ts';
import { measureStretch, type Stretch } from './stretch.ts';
import { recordOf } from './stretch-record.ts';
import { saturatedP99MsMax, SustainedRate } from './sustained-rate.ts';
import { windowNote } from './window-note.ts';

const posterConnections = 64;

const options = defineOptions({
  sockets: {
    value: 'n',
    schema: integerSchema(1, 18_000).default(1_000),
    description: 'members, each with one socket',
  },
  rate: {
    value: 'n',
    schema: integerSchema(1, 20_000).default(1_000),
    description: 'messages a second to the channel',
  },
  ...textBytesOption,
  peerWindowMs: {
    value: 'ms',
    schema: integerSchema(1, 1_000).default(limits.commitWindowMs),
    description: 'how long a peer that gathers messages for one turn gathers them',
  },
  saturate: {
    schema: switchSchema,
    description: `each side runs at 0.85 of the highest rate up to --rate that it sustains (p99 within ${saturatedP99MsMax} ms)`,
  },
  peer: { value: 'names', schema: peersSchema, description: peersDescription },
  ...serverOptions,
});

type Options = OptionValues<typeof options>;

export const fanoutScenario = defineScenario({
  name: 'fanout',
  summary: 'fan-out of one channel: deliveries per server CPU-second, against its peers',
  options,
  async open(context, values) {
    for (const peer of peersNamed(values.peer)) peer.check?.(values);
    const servers = await openServers(context, values);
    return prepared(new FanoutSession(context, values, servers));
  },
});

class FanoutSession implements Session {
  readonly #context: RunContext;
  readonly #options: Options;
  readonly #servers: Servers;
  readonly #sockets: LoadGroup<FanoutSockets>;
  readonly #poster: LoadGroup<FanoutPoster>;
  readonly #peers: PeerSide[] = [];
  readonly #rate: SustainedRate;
  #channel: BenchChannel = { id: '', token: '' };
  #posted = 0;
  #runs = 0;

  constructor(context: RunContext, values: Options, servers: Servers) {
    this.#context = context;
    this.#options = values;
    this.#rate = new SustainedRate(values);
    this.#servers = servers;
    this.#sockets = new LoadGroup<FanoutSockets>('./fanout-sockets', values.loadProcs, context);
    this.#poster = new LoadGroup<FanoutPoster>('./fanout-poster', 1, context);
  }

  async prepare(): Promise<void> {
    const { access } = this.#servers;
    const { progress } = this.#context;
    const users = await makeUsers(access, this.#options.sockets, progress);
    const [channel] = await makeChannels(access, users, 1, progress);
    if (channel === undefined) throw new Error('fanout: no channel');
    this.#channel = channel;
    await joinAll(access, users.slice(1), channel.id, progress);
    progress.show('connecting');
    const tokens = users.map(({ token }) => token);
    const mine = (at: number) => tokens.filter((_, index) => index % this.#sockets.size === at);
    await this.#sockets.callEach('connect', (at) => ({ api: access.api, channel: channel.id, tokens: mine(at) }));
    progress.show('warming up');
    const { failures } = await this.#rate.find((rate, seconds) => this.#deliver(rate, seconds));
    checkWarmUp(fanoutScenario, failures);
    const frame = (await this.#sockets.callAll('sampleFrame', null)).find((sample) => sample !== null);
    if (frame === undefined || frame === null) throw new Error('fanout: no message arrived while warming up');
    await this.#openPeers(frame);
  }

  async run(): Promise<RunResult> {
    const { clock, seconds } = this.#context;
    const mine: TurnSide = {
      processes: () => this.#servers.processes(),
      run: (length) => this.#runBelfry(length),
    };
    this.#runs += 1;
    const turns = await takeTurns(clock, [mine, ...this.#peers], seconds, this.#runs % 2 === 0);
    const all = turns.map(({ stretch }) => stretch);
    const [belfry, ...peers] = [defined(all[0], 'fanout/belfry'), ...all.slice(1)];
    return {
      measurements: [
        ...turns.flatMap((turn) => [...measure(turn.stretch, this.#options), idleBeside(turn)]),
        ...peers.flatMap((peer) => ratios(belfry, peer, this.#options)),
      ],
      failures: all.flatMap(({ subject, result }) => result.failures.map((failure) => `${subject}: ${failure}`)),
      notes: [windowNote('deliveries'), ...this.#rate.notes('belfry'), ...this.#peers.flatMap((peer) => peer.notes())],
      stretches: all.map((one) => recordOf(one, { 'post due to delivered': latencyOf(one).encode() })),
      details: belfry.details,
    };
  }

  #runBelfry(seconds: number): Promise<Stretch<Delivered>> {
    const side = {
      subject: 'belfry',
      processes: this.#servers.processes(),
      load: [this.#sockets, this.#poster],
      progress: this.#sockets.progress('deliveries', 'deliveries'),
    };
    return this.#rate.measure((rate) => measureStretch(this.#context, side, () => this.#deliver(rate, seconds)));
  }

  async close(): Promise<void> {
    const peers = this.#peers.map((peer) => peer.close());
    await Promise.all([this.#sockets.stop(), this.#poster.stop(), ...peers]);
    await this.#servers.stop();
  }

  async #openPeers(frame: string): Promise<void> {
    const { peerWindowMs: windowMs, peer: names, ...load } = this.#options;
    const work = { ...load, windowMs, frame, channel: this.#channel.id };
    for (const peer of peersNamed(names)) {
      this.#context.progress.show(`starting ${peer.name}`);
      this.#peers.push(await peer.open(this.#context, work));
    }
  }

  /** Posts for so long and waits until every socket has everything. */
  async #deliver(rate: number, seconds: number): Promise<Delivered> {
    const { bytes } = this.#options;
    const count = rate * seconds;
    const firstId = this.#posted;
    this.#posted += count;
    const target = { api: this.#servers.access.api, token: this.#channel.token, channel: this.#channel.id };
    const load = { ...target, connections: posterConnections, bytes, rate, count, firstId };
    const [posted] = await this.#poster.callAll('post', load);
    const failures = [...(posted?.failures ?? [])];
    if (posted?.acknowledged !== count) failures.push(`${posted?.acknowledged ?? 0} of ${count} posts acknowledged`);
    failures.push(...(await settle(this.#context, this.#sockets, posted?.highestSeq ?? 0, this.#options.sockets)));
    const reports = await this.#sockets.callAll('report', null);
    return { rate, reports, failures: [...failures, ...checkDelivery(reports, this.#options.sockets, firstId, count)] };
  }
}
