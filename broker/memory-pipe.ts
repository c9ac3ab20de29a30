/**
 * One direction of an in-memory connection: in order, like TCP, with a latency and with the faults that a simulation
 * asks for. Deterministic: what happens depends on the clock, the hooks and the calls alone.
 */
import type { Clock } from '../platform/clock.ts';

/** One step of one message between a client and the server. */
export interface MemoryHop {
  readonly incarnation: string;
  readonly lane: string;
  readonly direction: 'to-server' | 'to-client';
  readonly kind: 'message' | 'append' | 'read' | 'key-value' | 'control';
  readonly subject: string;
}

/** What becomes of it. A delay holds up what comes behind it on the same connection. */
export type MemoryFate = 'pass' | 'drop' | 'duplicate' | { readonly delayMs: number };

export interface MemoryNetwork {
  readonly clock: Clock;
  /** 0 delivers in a later microtask, without a timer. */
  latencyMs(hop: MemoryHop): number;
  fate(hop: MemoryHop): MemoryFate;
}

interface Parcel {
  readonly action: () => void;
  arrived: boolean;
}

export class MemoryPipe {
  readonly #network: MemoryNetwork;
  #parcels: Parcel[] = [];
  #held = false;

  constructor(network: MemoryNetwork) {
    this.#network = network;
  }

  send(hop: MemoryHop, action: () => void): void {
    const fate = this.#network.fate(hop);
    if (fate === 'drop') return;
    const delayMs = this.#network.latencyMs(hop) + (typeof fate === 'object' ? fate.delayMs : 0);
    this.#push(action, delayMs);
    if (fate === 'duplicate') this.#push(action, delayMs);
  }

  /** Nothing arrives until release(); nothing is lost. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#deliver();
  }

  /** What is on its way is lost. */
  clear(): void {
    this.#parcels = [];
  }

  #push(action: () => void, delayMs: number): void {
    const parcel: Parcel = { action, arrived: false };
    const arrive = (): void => {
      parcel.arrived = true;
      this.#deliver();
    };
    this.#parcels.push(parcel);
    if (delayMs > 0) this.#network.clock.setTimeout(arrive, delayMs);
    else queueMicrotask(arrive);
  }

  #deliver(): void {
    while (!this.#held && this.#parcels[0]?.arrived === true) this.#parcels.shift()?.action();
  }
}
