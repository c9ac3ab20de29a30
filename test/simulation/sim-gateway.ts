/**
 * One simulated gateway process: the real gateway actor and shell over the in-memory broker, with topics and sockets
 * that are arrays. What a socket is given is handed to its device at once.
 */
import { GatewayShell, type SocketPort } from '../../actors/gateway-shell.ts';
import type { SessionClaims } from '../../actors/gateway-messages.ts';
import type { Broker } from '../../broker/broker.ts';
import { subjects } from '../../broker/subjects.ts';
import { CommandRouter } from '../../cluster/command-router.ts';
import type { Logger } from '../../platform/logger.ts';
import { decodeBatch, encodeBatch } from '../../protocol/batches.ts';
import type { GatewayRef } from '../../protocol/commands.ts';
import type { SlotRow } from '../../protocol/cluster.ts';
import type { Incarnation } from '../../protocol/ids.ts';
import { decodeRegionEntries, decodeRegionHead, encodeRegionBatch } from '../../protocol/region-batches.ts';
import { ProcessClock } from './sim-clock.ts';
import { TEAM } from './sim-names.ts';
import type { SimDevice } from './sim-device.ts';
import type { SimWorld } from './sim-world.ts';

/** What a gateway knows of the slot table. */
export interface GatewayTable {
  slotsOf(worker: Incarnation): readonly number[];
  rowOf(slot: number): Pick<SlotRow, 'owner' | 'epoch'> | undefined;
  /** To whom commands may go by name. */
  readonly ownerOf?: (slot: number) => Incarnation | undefined;
}

export class SimGateway {
  readonly name: string;
  readonly ref: GatewayRef;
  readonly clock: ProcessClock;
  readonly broker: Broker;
  readonly logger: Logger;
  readonly shell: GatewayShell;
  readonly #world: SimWorld;
  readonly #devices = new Map<number, SimDevice>();
  readonly #topics = new Map<string, Set<number>>();
  readonly #numbers = new Map<Incarnation, number>();
  readonly #regionNumbers = new Map<Incarnation, number>();
  #sessions = 0;
  alive = true;

  constructor(world: SimWorld, name: string, table: GatewayTable) {
    this.name = name;
    this.#world = world;
    this.ref = { region: 'local', incarnation: world.incarnation(name) };
    this.clock = new ProcessClock(world.clock);
    this.logger = world.history.logger(name);
    this.broker = world.hub.connect(this.ref.incarnation);
    const { clock, logger, ref } = this;
    const lane = this.broker.commands;
    const { slotsOf, ...rows } = table;
    const sender = new CommandRouter({ lane, self: ref.incarnation, clock, logger, via: ref, ...rows });
    this.shell = new GatewayShell({ ref, sockets: this.#sockets(), sender, slotsOf, clock, logger });
    lane.subscribe(subjects.batch(ref), ({ data }) => this.shell.receive(this.#renumbered(data)));
    lane.subscribe(subjects.regionBatch(ref.region), ({ data }) => {
      world.history.saw('region-batch');
      this.shell.receiveRegion(this.#renumberedRegion(data));
    });
    lane.onStatus((status) => this.shell.post({ kind: 'broker', connected: status === 'connected' }));
    world.history.note(name, 'started', undefined, ref.incarnation);
  }

  open(device: SimDevice): number {
    this.#sessions += 1;
    const session = this.#sessions;
    this.#devices.set(session, device);
    // The upgrade's answer reaches the client before anything that the session sends.
    this.clock.defer(() => {
      if (this.#devices.has(session)) this.shell.opened(session, claimsOf(device));
    });
    return session;
  }

  receive(session: number, frame: Readonly<Record<string, unknown>>): void {
    this.shell.frame(session, Buffer.from(JSON.stringify(frame)));
  }

  /** The client went away. */
  hangUp(session: number): void {
    if (!this.#devices.delete(session)) return;
    for (const subscribers of this.#topics.values()) subscribers.delete(session);
    this.shell.closed(session);
  }

  kill(): void {
    this.#world.history.note(this.name, 'killed', undefined);
    this.alive = false;
    this.clock.die();
    this.shell.stop();
    this.#world.hub.crash(this.ref.incarnation);
    const devices = [...this.#devices.values()];
    this.#devices.clear();
    for (const device of devices) device.disconnected('gateway killed');
  }

  #sockets(): SocketPort {
    return {
      send: (session, frames) => {
        for (const frame of frames) this.#devices.get(session)?.take(session, parse(frame));
      },
      publish: (topic, bytes, except) => {
        const frame = parse(bytes);
        for (const session of [...(this.#topics.get(topic) ?? [])]) {
          if (session !== except) this.#devices.get(session)?.take(session, frame);
        }
      },
      subscribe: (session, topic) => void this.#topicOf(topic).add(session),
      unsubscribe: (session, topic) => void this.#topicOf(topic).delete(session),
      close: (session, code) => {
        const device = this.#devices.get(session);
        this.hangUp(session);
        device?.disconnected(`closed with ${JSON.stringify(code)}`);
      },
      bufferedBytes: () => 0,
    };
  }

  #topicOf(topic: string): Set<number> {
    const known = this.#topics.get(topic) ?? new Set();
    this.#topics.set(topic, known);
    return known;
  }

  /** As if every batch came that was sent: the mutations `batchNumbersOff` and `regionNumbersOff`. */
  #renumbered(data: Uint8Array): Uint8Array {
    const { batchNumbersOff, regionNumbersOff } = this.#world.mutations;
    if (batchNumbersOff !== true && regionNumbersOff !== true) return data;
    const { worker, number, entries } = decodeBatch(data);
    if (batchNumbersOff !== true) return encodeBatch({ worker, number, entries });
    return encodeBatch({ worker, number: next(this.#numbers, worker, entries.length > 0), entries });
  }

  #renumberedRegion(data: Uint8Array): Uint8Array {
    const { batchNumbersOff, regionNumbersOff } = this.#world.mutations;
    if (batchNumbersOff !== true && regionNumbersOff !== true) return data;
    const head = decodeRegionHead(data);
    const number = next(this.#regionNumbers, head.worker, true);
    return encodeRegionBatch({ ...head, number, entries: decodeRegionEntries(head) });
  }
}

function next(numbers: Map<Incarnation, number>, worker: Incarnation, counts: boolean): number {
  const number = (numbers.get(worker) ?? 0) + (counts ? 1 : 0);
  numbers.set(worker, number);
  return number;
}

function claimsOf({ user }: SimDevice): SessionClaims {
  return { user, team: TEAM, tokenHash: 'hash', unlimited: true, resume: true, batchPresenceAware: false };
}

function parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as Record<
    string,
    unknown
  >;
}
