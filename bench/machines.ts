/**
 * The coordinator's end of further machines: `belfry bench SCENARIO --coordinate NATS_URL --machines N` waits for N times
 * `belfry bench --join NATS_URL`, and has them run load processes as if those were its own.
 *
 * C1  A machine that is silent for limits.benchMachineSilenceMs is gone: what it was asked fails, and so does the run.
 * C2  Clocks: the offset of a machine's clock is taken from the quickest of several round trips, so latencies measured
 *     there are right to half of that round trip; the notes state it.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import { systemClock, type Timer } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import type { LoadPort, LoadPortHandlers } from './load-port.ts';
import { machineClock } from './machine-clock.ts';
import {
  connectMachines,
  machineSubjects,
  readMachine,
  sendMachine,
  type MachineNews,
  type MachineOrder,
} from './machine-messages.ts';
import type { Progress } from './progress.ts';
import { formatNumber } from './table.ts';

type Machine = { readonly id: string; heardMs: number; offsetUs: number; roundTripUs: number };
type RemotePort = { readonly machine: Machine; readonly handlers: LoadPortHandlers };

const clockTries = 10;
const pollMs = 50;
const local = machineClock(systemClock);

export class Machines {
  readonly #nats: NatsConnection;
  readonly #machines = new Map<string, Machine>();
  readonly #ports = new Map<number, RemotePort>();
  readonly #beat: Timer;
  #opened = 0;

  /** @throws Error when the machines do not come in time, or the signal aborts. */
  static async gather(url: string, count: number, signal: AbortSignal, progress: Progress): Promise<Machines> {
    const machines = new Machines(await connectMachines(url));
    try {
      await machines.#wait(count, signal, progress);
      return machines;
    } catch (error) {
      await machines.close();
      throw error;
    }
  }

  private constructor(nats: NatsConnection) {
    this.#nats = nats;
    nats.subscribe(machineSubjects.allNews, {
      callback: (error, { subject, data }) => {
        if (error === null) this.#take(machineSubjects.machineOf(subject), readMachine(data) as MachineNews);
      },
    });
    this.#beat = systemClock.setInterval(() => this.#look(), limits.benchMachineBeatMs);
  }

  get count(): number {
    return this.#machines.size;
  }

  /** C2 */
  notes(): string[] {
    const slowest = Math.max(...[...this.#machines.values()].map(({ roundTripUs }) => roundTripUs));
    const machines = this.count === 1 ? 'one machine' : `${this.count} machines`;
    return [`${machines} joined; latencies measured there are right to ${formatNumber(slowest / 2_000)} ms`];
  }

  /** Of the machine `at`, 0 … count - 1. */
  clockOffsetUs(at: number): number {
    return this.#machineAt(at).offsetUs;
  }

  openLoad(at: number, name: string, handlers: LoadPortHandlers): LoadPort {
    const machine = this.#machineAt(at);
    this.#opened += 1;
    const port = this.#opened;
    this.#ports.set(port, { machine, handlers });
    this.#order(machine, { kind: 'open', port, name });
    return {
      pid: 0,
      send: (request) => this.#order(machine, { kind: 'request', port, request }),
      stop: async () => {
        this.#ports.delete(port);
        this.#order(machine, { kind: 'stop', port });
        await this.#nats.flush();
      },
    };
  }

  /** The machines end their load and leave. */
  async close(): Promise<void> {
    this.#beat.cancel();
    for (const machine of this.#machines.values()) this.#order(machine, { kind: 'end' });
    await this.#nats.drain();
  }

  async #wait(count: number, signal: AbortSignal, progress: Progress): Promise<void> {
    const endMs = systemClock.monotonicMs() + limits.benchJoinMs;
    while (this.count < count) {
      progress.show(`waiting for machines: ${this.count} of ${count}`);
      if (systemClock.monotonicMs() > endMs) throw new Error(`${this.count} of ${count} machines joined in time`);
      if (!(await systemClock.sleep(pollMs, signal))) throw new Error('interrupted');
    }
    for (const machine of this.#machines.values()) await this.#compareClocks(machine);
  }

  async #compareClocks(machine: Machine): Promise<void> {
    for (let turn = 0; turn < clockTries; turn += 1) {
      const sentUs = local.nowUs();
      const answer = await this.#nats.request(machineSubjects.clock(machine.id));
      const roundTripUs = local.nowUs() - sentUs;
      if (roundTripUs >= machine.roundTripUs) continue;
      machine.roundTripUs = roundTripUs;
      machine.offsetUs = sentUs + roundTripUs / 2 - Number(answer.string());
    }
  }

  #take(id: string, news: MachineNews): void {
    const nowMs = systemClock.monotonicMs();
    const known = this.#machines.get(id);
    if (known === undefined) {
      this.#machines.set(id, { id, heardMs: nowMs, offsetUs: 0, roundTripUs: Infinity });
    } else {
      known.heardMs = nowMs;
    }
    if (news.kind === 'here') return;
    const handlers = this.#ports.get(news.port)?.handlers;
    if (news.kind === 'answer') handlers?.onAnswer(news.answer);
    else handlers?.onEnd(news.why);
  }

  /** C1 */
  #look(): void {
    const silentMs = systemClock.monotonicMs() - limits.benchMachineSilenceMs;
    for (const machine of this.#machines.values()) this.#order(machine, { kind: 'alive' });
    for (const { machine, handlers } of this.#ports.values()) {
      if (machine.heardMs < silentMs) handlers.onEnd(`machine ${machine.id} is silent`);
    }
  }

  #order(machine: Machine, order: MachineOrder): void {
    sendMachine(this.#nats, machineSubjects.orders(machine.id), order);
  }

  #machineAt(at: number): Machine {
    const machine = [...this.#machines.values()][at];
    if (machine === undefined) throw new Error(`no machine ${at}`);
    return machine;
  }
}
