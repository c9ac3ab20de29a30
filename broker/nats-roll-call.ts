/**
 * Who of a cluster's servers answered a question about their connections, and whether that is everybody. A list that
 * lacks one server, or one page, says nothing about who is not on it. Pure: nats-system.ts asks.
 *
 * Invariants:
 * R1  `isComplete` only when as many servers answered as the cluster has by its own word: the size of JetStream's own
 *     group, which counts a server that is dead, frozen or cut off until an operator removes it. Servers count by name: one
 *     that was killed and started again is there once.
 * R2  ... and only when each of them gave all its pages without a gap: a connection that closes between two pages moves
 *     the rest up, so pages overlap, and one that does not reach back to the page before it makes the list worthless.
 */
import type { ConnectionRef } from './broker.ts';

/** Connections on one page of a server's list: its own default. */
const PAGE = 1024;
/** As many may close between two pages (R2). */
const OVERLAP = 64;

export interface ServerStatus {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** Servers of the cluster, as JetStream knows it; undefined from a server that stands alone or does not know yet. */
  readonly clusterSize: number | undefined;
}

export interface ConnectionPage {
  readonly server: string;
  readonly offset: number;
  /** Of all pages. */
  readonly total: number;
  /** In the order of their numbers. */
  readonly connections: readonly { readonly cid: number; readonly name?: string }[];
}

interface ServerList {
  readonly lastCid: number;
  readonly isFull: boolean;
}

export class RollCall {
  readonly #prefix: string;
  readonly #standsAlone: boolean;
  readonly #servers = new Map<string, ServerStatus>();
  readonly #lists = new Map<string, ServerList>();
  readonly #found = new Map<string, ConnectionRef>();

  /** `standsAlone`: the server that is asked belongs to no cluster. */
  constructor(prefix: string, standsAlone: boolean) {
    this.#prefix = prefix;
    this.#standsAlone = standsAlone;
  }

  get connections(): readonly ConnectionRef[] {
    return [...this.#found.values()];
  }

  get servers(): readonly ServerStatus[] {
    return [...this.#servers.values()];
  }

  /** R1 alone. */
  get isEverybodyHere(): boolean {
    return this.#namesMissing() <= 0;
  }

  get isComplete(): boolean {
    if (!this.isEverybodyHere) return false;
    return [...this.#servers.keys(), ...this.#lists.keys()].every((id) => this.#lists.get(id)?.isFull === true);
  }

  noteServer(status: ServerStatus): void {
    this.#servers.set(status.id, status);
  }

  /** Gives the offset of the page to ask that server for next; undefined when there is none, or no use in it. */
  notePage({ server, offset, total, connections }: ConnectionPage): number | undefined {
    for (const { cid, name } of connections) {
      if (name?.startsWith(this.#prefix) === true) this.#found.set(`${server}/${cid}`, { server, client: cid });
    }
    const end = offset + connections.length;
    const lastCid = this.#lists.get(server)?.lastCid ?? 0;
    const first = connections[0]?.cid ?? Number.POSITIVE_INFINITY;
    const isGapless = offset === 0 || first <= lastCid;
    this.#lists.set(server, { lastCid: connections.at(-1)?.cid ?? lastCid, isFull: isGapless && end >= total });
    return isGapless && end < total && connections.length > OVERLAP ? end - OVERLAP : undefined;
  }

  /** R1; infinite while nobody knows how many there are. */
  #namesMissing(): number {
    const size = Math.max(this.#standsAlone ? 1 : 0, ...this.servers.map(({ clusterSize }) => clusterSize ?? 0));
    if (size === 0) return Number.POSITIVE_INFINITY;
    return size - new Set(this.servers.map(({ name }) => name)).size;
  }
}

/** The body of a question for one page of a server's connections in `account`. */
export function pageQuery(account: string, offset: number): Uint8Array {
  return Buffer.from(JSON.stringify({ acc: account, auth: true, sort: 'cid', limit: PAGE, offset }));
}
