/**
 * Latency by hop of a message's journey over a stretch: the roles count it in histograms of /metrics (platform/metrics.ts);
 * what they counted between start() and stop() is the difference.
 *
 * H1  Buckets are coarse, so percentiles are read off a straight line within their bucket. What lies beyond the last
 *     bucket counts as its bound.
 * H2  Only roles on this machine can be asked; a role that does not answer adds nothing.
 */
import type { RoleProcess } from './process-meter.ts';
import { listeningPorts } from './listening-ports.ts';

export type HopLatency = {
  readonly hop: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

/** By hop: how many were at most so many seconds, by that bound. */
export type HopCounts = ReadonlyMap<string, ReadonlyMap<number, number>>;

const tracedRoles = ['webapp', 'worker', 'gateway'];
const answerMs = 2_000;
const sample = /^belfry_hop_duration_seconds_bucket\{([^}]*)\} (\S+)$/gm;

export class HopMeter {
  readonly #urls: readonly string[];
  #from: HopCounts = new Map();

  constructor(processes: readonly RoleProcess[]) {
    const traced = processes.filter(({ role }) => tracedRoles.includes(role));
    this.#urls = traced.flatMap(({ pid }) => listeningPorts(pid).map((port) => `http://127.0.0.1:${port}/metrics`));
  }

  async start(): Promise<void> {
    this.#from = await this.#read();
  }

  /** Hops that something passed through since start(). */
  async stop(): Promise<HopLatency[]> {
    return hopLatencies(this.#from, await this.#read());
  }

  async #read(): Promise<HopCounts> {
    return parseHops((await Promise.all(this.#urls.map(readText))).join('\n'));
  }
}

/** Of the /metrics of any number of processes, added up. */
export function parseHops(text: string): HopCounts {
  const hops = new Map<string, Map<number, number>>();
  for (const [, labels = '', value] of text.matchAll(sample)) {
    const hop = labelOf(labels, 'hop');
    const bound = labelOf(labels, 'le');
    const seconds = bound === '+Inf' ? Infinity : Number(bound);
    const counts = hops.get(hop) ?? new Map<number, number>();
    hops.set(hop, counts.set(seconds, (counts.get(seconds) ?? 0) + Number(value)));
  }
  return hops;
}

export function hopLatencies(from: HopCounts, to: HopCounts): HopLatency[] {
  return [...to].flatMap(([hop, counts]) => {
    const bounds = [...counts.keys()].toSorted((a, b) => a - b);
    const grown = bounds.map((bound) => ({
      bound,
      count: (counts.get(bound) ?? 0) - (from.get(hop)?.get(bound) ?? 0),
    }));
    const count = grown.at(-1)?.count ?? 0;
    return count === 0 ? [] : [{ hop, count, p50Ms: percentileMs(grown, 0.5), p99Ms: percentileMs(grown, 0.99) }];
  });
}

/** H1 */
function percentileMs(grown: readonly { readonly bound: number; readonly count: number }[], share: number): number {
  const wanted = (grown.at(-1)?.count ?? 0) * share;
  let below = { bound: 0, count: 0 };
  for (const step of grown) {
    if (step.count >= wanted) {
      if (step.bound === Infinity) break;
      const part = (wanted - below.count) / (step.count - below.count);
      return (below.bound + (step.bound - below.bound) * part) * 1_000;
    }
    below = step;
  }
  return below.bound * 1_000;
}

/** Public ports answer with something else, which has no hops in it; H2. */
async function readText(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
    return await answer.text();
  } catch {
    return '';
  }
}

function labelOf(labels: string, name: string): string {
  return new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
}
