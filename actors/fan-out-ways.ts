/**
 * The ways that what is said of a stream takes to those who listen: a copy in each gateway's own batches, or one copy in
 * the batches of a region, which NATS gives to every gateway there.
 *
 * Invariants:
 * Y1  A region's copy replaces those of all its gateways that listen, from as many of them on as the limit says, unless
 *     too many of the region's gateways would get it without listening: a copy costs more than is saved for a listener.
 * Y2  The way may change with every event: whatever it is, X4 (gateway-outbox.ts) keeps the order and sequence numbers
 *     show what came twice, so that a change needs no agreement with the gateways, and no hysteresis.
 */
import { limits } from '../platform/limits.ts';
import type { StreamedEntry } from '../protocol/batches.ts';
import type { Incarnation } from '../protocol/ids.ts';
import type { GatewayOutbox } from './gateway-outbox.ts';
import type { InterestSet } from './interest.ts';

export interface FanOutWay {
  /** `bytes`: what the entry takes in its batch, about. */
  add(entry: StreamedEntry, bytes: number): void;
}

/** As platform/limits-gateway.ts has them. */
export interface FanOutLimits {
  readonly regionBatchGatewaysCount: number;
  readonly regionStrangersPerHundredMax: number;
}

export class FanOutWays {
  readonly #limits: FanOutLimits;
  /** Sets of many gateways only; forgotten when gateways come or go. */
  #known = new WeakMap<InterestSet, readonly FanOutWay[]>();
  /** Gateways alive in each region. */
  #sizes = new Map<string, number>();

  constructor(own: Partial<FanOutLimits> = {}) {
    const { regionBatchGatewaysCount, regionStrangersPerHundredMax } = limits;
    this.#limits = { regionBatchGatewaysCount, regionStrangersPerHundredMax, ...own };
  }

  of(set: InterestSet): readonly FanOutWay[] {
    if (set.outboxes.length < this.#limits.regionBatchGatewaysCount) return set.outboxes;
    let ways = this.#known.get(set);
    if (ways === undefined) {
      ways = this.#choose(set);
      this.#known.set(set, ways);
    }
    return ways;
  }

  /** `gateways`: all that are alive, with their regions. */
  gatewaysAlive(gateways: ReadonlyMap<Incarnation, string>): void {
    this.#sizes = new Map();
    for (const region of gateways.values()) this.#sizes.set(region, (this.#sizes.get(region) ?? 0) + 1);
    this.#known = new WeakMap();
  }

  #choose({ outboxes }: InterestSet): FanOutWay[] {
    const byRegion = new Map<string, GatewayOutbox[]>();
    for (const outbox of outboxes) {
      if (outbox.gone) continue;
      const others = byRegion.get(outbox.ref.region);
      if (others === undefined) byRegion.set(outbox.ref.region, [outbox]);
      else others.push(outbox);
    }
    return [...byRegion].flatMap(([region, own]) => this.#wayOf(region, own));
  }

  #wayOf(region: string, own: readonly GatewayOutbox[]): readonly FanOutWay[] {
    const [first] = own;
    const { regionBatchGatewaysCount, regionStrangersPerHundredMax } = this.#limits;
    const strangers = Math.max(0, (this.#sizes.get(region) ?? 0) - own.length);
    const pays = own.length >= regionBatchGatewaysCount && strangers * 100 <= own.length * regionStrangersPerHundredMax;
    return first === undefined || !pays ? own : [first.region];
  }
}
