/**
 * `belfry bench --join NATS_URL`: makes load for a coordinator (machines.ts) until it has no more for us.
 *
 * E1  Only load files of this installation are run, by their names.
 * E2  A coordinator that is silent for limits.benchMachineSilenceMs after it was heard is gone: all load ends, and we do.
 */
import { randomUUID } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import { systemClock } from '../platform/clock.ts';
import { limits } from '../platform/limits.ts';
import { forkLoad, type LoadPort } from './load-port.ts';
import { machineClock } from './machine-clock.ts';
import {
  connectMachines,
  machineSubjects,
  readMachine,
  sendMachine,
  type MachineNews,
  type MachineOrder,
} from './machine-messages.ts';

const loadName = /^\.\/[a-z][a-z-]*$/;
const machine = machineClock(systemClock);

/** Resolves when the coordinator has ended. @throws Error when it was lost */
export async function joinCommand(url: string): Promise<void> {
  const nats = await connectMachines(url);
  const member = new Member(nats, randomUUID());
  try {
    await member.serve();
  } finally {
    await member.close();
    await nats.close();
  }
}

class Member {
  readonly #nats: NatsConnection;
  readonly #id: string;
  readonly #ports = new Map<number, LoadPort>();
  #heardMs: number | undefined;
  #isOver = false;

  constructor(nats: NatsConnection, id: string) {
    this.#nats = nats;
    this.#id = id;
  }

  async serve(): Promise<void> {
    this.#nats.subscribe(machineSubjects.clock(this.#id), {
      callback: (_, message) => void message.respond(String(machine.nowUs())),
    });
    this.#nats.subscribe(machineSubjects.orders(this.#id), {
      callback: (error, { data }) => {
        if (error === null) this.#obey(readMachine(data) as MachineOrder);
      },
    });
    process.stderr.write('belfry bench: joined; waiting for work\n');
    while (!this.#isOver) {
      if (this.#nats.isClosed()) throw new Error('the connection to NATS was lost');
      this.#tell({ kind: 'here' });
      const silentMs = systemClock.monotonicMs() - limits.benchMachineSilenceMs;
      if (this.#heardMs !== undefined && this.#heardMs < silentMs) throw new Error('the coordinator is silent');
      await systemClock.sleep(limits.benchMachineBeatMs);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#ports.values()].map((port) => port.stop()));
  }

  #obey(order: MachineOrder): void {
    this.#heardMs = systemClock.monotonicMs();
    switch (order.kind) {
      case 'open':
        return this.#open(order.port, order.name);
      case 'request':
        return this.#ports.get(order.port)?.send(order.request);
      case 'stop':
        void this.#ports.get(order.port)?.stop();
        this.#ports.delete(order.port);
        return;
      case 'alive':
        return;
      case 'end':
        this.#isOver = true;
        return;
      default:
        order satisfies never;
    }
  }

  /** E1 */
  #open(port: number, name: string): void {
    if (!loadName.test(name)) return this.#tell({ kind: 'ended', port, why: `no load of the name ${name}` });
    const opened = forkLoad(name, {
      onAnswer: (answer) => this.#tell({ kind: 'answer', port, answer }),
      onEnd: (why) => this.#tell({ kind: 'ended', port, why }),
    });
    this.#ports.set(port, opened);
  }

  #tell(news: MachineNews): void {
    if (!this.#nats.isClosed()) sendMachine(this.#nats, machineSubjects.news(this.#id), news);
  }
}
