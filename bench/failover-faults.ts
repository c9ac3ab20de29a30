/**
 * What is done to the cluster, and what is taken down of it: for each fault when it began, how long each affected channel
 * waited, and how many posts were refused meanwhile. What a wait and a pause are: channel-pauses.ts.
 *
 * L1  A channel of which no wait can be told fails the run: it must not count as one that did not wait.
 */
import type { BenchChannel } from './bench-workspace.ts';
import type { ChannelPause } from './channel-pauses.ts';
import { curveSpan } from './fault-curves.ts';
import type { FailoverCluster, Process } from './failover-cluster.ts';
import type { FailoverLoad } from './failover-load.ts';
import type { LoadGroup } from './load-group.ts';
import { machineClock, type MachineClock } from './machine-clock.ts';
import type { RunContext } from './scenario.ts';

export type FaultKind = 'worker killed' | 'worker frozen' | 'worker drained' | 'worker joined' | 'broker killed';

export type FaultRecord = {
  readonly kind: FaultKind;
  /** When it began, in milliseconds of the machine's clock. */
  readonly atMs: number;
  /** One for each affected channel. */
  readonly waitsMs: readonly number[];
  /** The longest that a post of each affected channel took, from when it was due. */
  readonly slowestMs: readonly number[];
  /** Answers that said "try again" to posts of the affected channels meanwhile. */
  readonly refusals: number;
  /** L1 */
  readonly failures: readonly string[];
};

/** After the last slot moved: what was on its way then still counts. */
const tailMs = 300;
/** A frozen worker sleeps on after its slots have moved, so that it wakes as one that was declared dead. */
const asleepMs = 1_500;

export class FailoverFaults {
  readonly records: FaultRecord[] = [];
  readonly #context: RunContext;
  readonly #machine: MachineClock;
  readonly #cluster: FailoverCluster;
  readonly #load: LoadGroup<FailoverLoad>;
  readonly #channels: readonly string[];

  constructor(
    context: RunContext,
    cluster: FailoverCluster,
    load: LoadGroup<FailoverLoad>,
    channels: readonly BenchChannel[],
  ) {
    this.#context = context;
    this.#machine = machineClock(context.clock);
    this.#cluster = cluster;
    this.#load = load;
    this.#channels = channels.map(({ id }) => id);
  }

  /** Until the curve of the last fault is over: the next one must not show in it. */
  curveLeftMs(): number {
    const lastMs = this.records.at(-1)?.atMs ?? -Infinity;
    return Math.max(0, lastMs + curveSpan.afterMs - this.#machine.nowUs() / 1_000);
  }

  async killWorker(turn: number): Promise<void> {
    const { victim, affected } = await this.#pick(turn);
    await this.#recover('worker killed', affected, () => this.#cluster.signal(victim.pid, 'SIGKILL'));
    await this.#cluster.isBack(victim);
    await this.#cluster.settled();
  }

  async freezeWorker(turn: number): Promise<void> {
    const { victim, affected } = await this.#pick(turn);
    await this.#recover('worker frozen', affected, () => this.#cluster.signal(victim.pid, 'SIGSTOP'));
    await this.#context.clock.sleep(asleepMs);
    this.#cluster.signal(victim.pid, 'SIGCONT');
    await this.#cluster.isBack(victim);
    await this.#cluster.settled();
  }

  /** SIGTERM; and its successor's joining, which `belfry dev` starts a moment later. */
  async drainWorker(turn: number): Promise<void> {
    const { victim, affected } = await this.#pick(turn);
    await this.#move('worker drained', async () => {
      this.#cluster.signal(victim.pid, 'SIGTERM');
      await this.#cluster.isGone(victim);
      return affected;
    });
    const before = await this.#owners();
    await this.#move('worker joined', async () => {
      await this.#cluster.isBack(victim);
      await this.#cluster.settled();
      const after = await this.#owners();
      return this.#channels.filter((channel) => after.get(channel) !== before.get(channel));
    });
  }

  /** The time before the broker accepts clients again is the supervisor's and the disk's, not the cluster's. */
  async killBroker(): Promise<number> {
    const { clock } = this.#context;
    const [broker] = this.#cluster.running('nats');
    if (broker === undefined) throw new Error('no nats-server is running');
    const bytes = this.#cluster.storeBytes();
    const killed = { atUs: this.#machine.nowUs(), wallMs: clock.wallMs() };
    this.#cluster.signal(broker.pid, 'SIGKILL');
    await this.#cluster.isGone(broker);
    await this.#cluster.brokerIsUp();
    await this.#recover('broker killed', this.#channels, () => undefined, killed);
    await this.#cluster.isBack(broker);
    await this.#cluster.settled();
    return bytes;
  }

  /** The next worker by turn that owns some of the channels. */
  async #pick(turn: number): Promise<{ readonly victim: Process; readonly affected: readonly string[] }> {
    const owners = await this.#owners();
    const workers = this.#cluster.running('worker');
    for (const at of workers.keys()) {
      const victim = workers[(turn + at) % workers.length];
      if (victim === undefined) continue;
      const affected = this.#channels.filter((channel) => owners.get(channel) === victim.id);
      if (affected.length > 0) return { victim, affected };
    }
    throw new Error('no worker owns any of the channels');
  }

  #owners(): Promise<Map<string, string>> {
    return this.#cluster.owners(this.#channels);
  }

  /** `began`: when the fault did, where what is waited for begins later. */
  async #recover(
    kind: FaultKind,
    channels: readonly string[],
    act: () => void,
    began?: { readonly atUs: number; readonly wallMs: number },
  ): Promise<void> {
    const decidedFromMs = began?.wallMs ?? this.#context.clock.wallMs();
    const fromUs = this.#machine.nowUs();
    act();
    const waits = (await this.#load.callAll('back', { channels, fromUs, decidedFromMs })).flat();
    const pauses = await this.#pauses(channels, fromUs);
    const known = waits.filter((ms) => ms !== null);
    const lost =
      known.length === channels.length ? [] : [`${kind}: ${channels.length - known.length} channels never came back`];
    this.#record(kind, (began?.atUs ?? fromUs) / 1_000, pauses, { waitsMs: known, failures: lost });
  }

  /** A planned change: a channel's wait is its pause. `act` gives the channels that it moved. */
  async #move(kind: FaultKind, act: () => Promise<readonly string[]>): Promise<void> {
    const { clock, signal } = this.#context;
    const fromUs = this.#machine.nowUs();
    const channels = await act();
    if (!(await clock.sleep(tailMs, signal))) throw new Error('interrupted');
    const pauses = await this.#pauses(channels, fromUs);
    this.#record(kind, fromUs / 1_000, pauses, {
      waitsMs: pauses.flatMap((pause) => pause?.longestMs ?? []),
      failures: [],
    });
  }

  /** Until now. */
  async #pauses(channels: readonly string[], fromUs: number): Promise<(ChannelPause | null)[]> {
    return (await this.#load.callAll('pauses', { channels, fromUs, toUs: this.#machine.nowUs() })).flat();
  }

  #record(
    kind: FaultKind,
    atMs: number,
    pauses: readonly (ChannelPause | null)[],
    { waitsMs, failures }: Pick<FaultRecord, 'waitsMs' | 'failures'>,
  ): void {
    const known = pauses.filter((pause) => pause !== null);
    const silent = pauses.length - known.length;
    this.records.push({
      ...{ kind, atMs, waitsMs },
      slowestMs: known.map(({ longestMs }) => longestMs),
      refusals: known.reduce((sum, { refusals }) => sum + refusals, 0),
      failures: [...failures, ...(silent === 0 ? [] : [`${kind}: ${silent} channels without an acknowledged post`])],
    });
  }
}
