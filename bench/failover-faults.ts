/**
 * What is done to the cluster, and what is taken down of it: for each fault when it began, how long each affected channel
 * waited, and how many posts were refused meanwhile.
 *
 * L1  A channel is back with the first acknowledgement of something that was decided after the fault: an answer of the
 *     dead owner that was still on its way does not count.
 * L2  A pause is the longest that any post took, from when it was sent, while the slots moved.
 */
import type { RunContext } from './scenario.ts';
import type { FailoverCluster, Process } from './failover-cluster.ts';
import type { Acknowledged, FailoverPoster } from './failover-poster.ts';

export type FaultKind = 'worker killed' | 'worker frozen' | 'worker drained' | 'worker joined' | 'broker killed';

export type FaultRecord = {
  readonly kind: FaultKind;
  /** When it began, in monotonic milliseconds. */
  readonly atMs: number;
  /** One for each affected channel. */
  readonly waitsMs: readonly number[];
  /** Answers that said "try again" to posts of the affected channels meanwhile. */
  readonly refusals: number;
};

const backMs = 30_000;
const pollMs = 10;
/** After the last slot moved: what was on its way then still counts. */
const tailMs = 300;
/** A frozen worker sleeps on after its slots have moved, so that it wakes as one that was declared dead. */
const asleepMs = 1_500;

export class FailoverFaults {
  readonly records: FaultRecord[] = [];
  readonly #context: RunContext;
  readonly #cluster: FailoverCluster;
  readonly #posters: readonly FailoverPoster[];

  constructor(context: RunContext, cluster: FailoverCluster, posters: readonly FailoverPoster[]) {
    this.#context = context;
    this.#cluster = cluster;
    this.#posters = posters;
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
      return this.#posters.filter(({ channel }) => after.get(channel) !== before.get(channel));
    });
  }

  /** The time before the broker accepts clients again is the supervisor's and the disk's, not the cluster's. */
  async killBroker(): Promise<number> {
    const { clock } = this.#context;
    const [broker] = this.#cluster.running('nats');
    if (broker === undefined) throw new Error('no nats-server is running');
    const bytes = this.#cluster.storeBytes();
    const killed = { atMs: clock.monotonicMs(), wallMs: clock.wallMs() };
    this.#cluster.signal(broker.pid, 'SIGKILL');
    await this.#cluster.isGone(broker);
    await this.#cluster.brokerIsUp();
    await this.#recover('broker killed', this.#posters, () => undefined, killed);
    await this.#cluster.isBack(broker);
    await this.#cluster.settled();
    return bytes;
  }

  /** The next worker by turn that owns some of the channels. */
  async #pick(turn: number): Promise<{ readonly victim: Process; readonly affected: readonly FailoverPoster[] }> {
    const owners = await this.#owners();
    const workers = this.#cluster.running('worker');
    for (const at of workers.keys()) {
      const victim = workers[(turn + at) % workers.length];
      if (victim === undefined) continue;
      const affected = this.#posters.filter(({ channel }) => owners.get(channel) === victim.id);
      if (affected.length > 0) return { victim, affected };
    }
    throw new Error('no worker owns any of the channels');
  }

  #owners(): Promise<Map<string, string>> {
    return this.#cluster.owners(this.#posters.map(({ channel }) => channel));
  }

  /** L1. `began`: when the fault did, where what is waited for begins later. */
  async #recover(
    kind: FaultKind,
    affected: readonly FailoverPoster[],
    act: () => void,
    began?: { readonly atMs: number; readonly wallMs: number },
  ): Promise<void> {
    const { clock, signal } = this.#context;
    const from = affected.map(({ acks }) => acks.length);
    const decidedFromMs = began?.wallMs ?? clock.wallMs();
    const startMs = clock.monotonicMs();
    act();
    for (const poster of affected) poster.hurry();
    const back = () =>
      affected.map(({ acks }, at) => acks.slice(from[at]).find(({ decidedMs }) => decidedMs > decidedFromMs));
    while (back().includes(undefined)) {
      if (clock.monotonicMs() - startMs > backMs) throw new Error(`${kind}: a channel was not back after ${backMs} ms`);
      if (!(await clock.sleep(pollMs, signal))) throw new Error('interrupted');
    }
    const first = back().flatMap((ack) => ack ?? []);
    const waitsMs = first.map((ack) => Math.max(0, ack.atMs - startMs));
    this.records.push({ kind, atMs: began?.atMs ?? startMs, waitsMs, refusals: refusalsOf(first) });
  }

  /** L2 */
  async #move(kind: FaultKind, act: () => Promise<readonly FailoverPoster[]>): Promise<void> {
    const { clock, signal } = this.#context;
    const from = this.#posters.map(({ acks }) => acks.length);
    const atMs = clock.monotonicMs();
    const affected = await act();
    if (!(await clock.sleep(tailMs, signal))) throw new Error('interrupted');
    const during = affected.map((poster) => poster.acks.slice(from[this.#posters.indexOf(poster)]));
    const waitsMs = during.map((acks) => Math.max(0, ...acks.map((ack) => ack.atMs - ack.sentMs)));
    this.records.push({ kind, atMs, waitsMs, refusals: refusalsOf(during.flat()) });
  }
}

function refusalsOf(acks: readonly Acknowledged[]): number {
  return acks.reduce((sum, { refusals }) => sum + refusals, 0);
}
