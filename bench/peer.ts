/**
 * What a peer of the fan-out scenario is: another server that does the same work, in the same run, measured with the same
 * meters. `--peer NAME[,NAME…]`; each stands in one file of bench/peers/ and in the list of peers/peers.ts.
 *
 * P1  Same work: messages of the same size, at the same rate on an open-loop schedule, to as many sockets, whose load
 *     processes count and check every delivery as for belfry (DeliveryCounter: each once, in order).
 * P2  Its servers are processes of their own on loopback, with free ports; run() measures them with measureStretch, every
 *     one of them under a role, the peer's name as the subject. What feeds messages in is a load process, not a server,
 *     unless the peer's own server takes them in.
 * P3  It is written as its own documentation recommends, and tuned fairly; what was set and what it leaves out (storage,
 *     acknowledgements) stands in notes().
 * P4  open() leaves nothing behind when it fails; close() ends every process.
 */
import type { Delivered } from './fanout-checks.ts';
import type { RoleProcess } from './process-meter.ts';
import type { RunContext } from './scenario.ts';
import type { Stretch } from './stretch.ts';

export type PeerWork = {
  readonly sockets: number;
  /** Messages a second; with `saturate`, at most: what the peer sustains (sustained-rate.ts). */
  readonly rate: number;
  readonly saturate: boolean;
  /** Of a message's text. */
  readonly bytes: number;
  /** How long a peer that gathers messages for one turn may gather them. */
  readonly windowMs: number;
  /** Processes that hold the sockets. */
  readonly loadProcs: number;
  readonly channel: string;
  /** The nats-server that was named; undefined: the one that the set-up brought. */
  readonly natsServer: string | undefined;
  /** A message frame of ours: peers send the same with another text and, as its last field, their own seq. */
  readonly frame: string;
};

export type PeerSide = {
  /** Its servers. */
  processes(): readonly RoleProcess[];
  /** Sends messages at its rate for so long; resolves when every socket has the last one, or it was given up. */
  run(seconds: number): Promise<Stretch<Delivered>>;
  /** P3, and what became of its rate. */
  notes(): string[];
  close(): Promise<void>;
};

export type Peer = {
  readonly name: string;
  readonly summary: string;
  /** @throws UsageError, in one line, where something that it needs is missing here; before anything is started. */
  check?(work: Pick<PeerWork, 'natsServer'>): void;
  /** Starts its servers, connects its sockets, warms up. */
  open(context: RunContext, work: PeerWork): Promise<PeerSide>;
};
