/**
 * Where messages spent their time inside over a stretch: latency by hop of their journey, and waits in our queues. The
 * roles count both in histograms of /metrics (platform/metrics.ts); what they counted between start() and stop() is the
 * difference (metric-histograms.ts).
 *
 * H1  Only roles on this machine can be asked; a role that does not answer adds nothing.
 */
import type { RoleProcess } from './process-meter.ts';
import { listeningPorts } from './listening-ports.ts';
import { durationsBetween, parseHistograms } from './metric-histograms.ts';
import type { QueueWait } from './queue-waits.ts';

export type HopLatency = {
  readonly hop: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

export type Inside = { readonly hops: readonly HopLatency[]; readonly queues: readonly QueueWait[] };

const tracedRoles = ['webapp', 'worker', 'gateway'];
const answerMs = 2_000;

export class HopMeter {
  readonly #urls: readonly string[];
  #from = '';

  constructor(processes: readonly RoleProcess[]) {
    const traced = processes.filter(({ role }) => tracedRoles.includes(role));
    this.#urls = traced.flatMap(({ pid }) => listeningPorts(pid).map((port) => `http://127.0.0.1:${port}/metrics`));
  }

  async start(): Promise<void> {
    this.#from = await this.#read();
  }

  /** Hops and queues that something passed through since start(). */
  async stop(): Promise<Inside> {
    return insideBetween(this.#from, await this.#read());
  }

  async #read(): Promise<string> {
    return (await Promise.all(this.#urls.map(readText))).join('\n');
  }
}

/** Of two readings of the /metrics of any number of processes. */
export function insideBetween(from: string, to: string): Inside {
  const grown = (metric: string, labels: readonly string[]) => {
    const [before, after] = [from, to].map((text) => parseHistograms(text, metric, labels));
    return durationsBetween(before ?? new Map(), after ?? new Map());
  };
  return {
    hops: grown('belfry_hop_duration_seconds', ['hop']).map(({ key: hop, count, p50Ms, p99Ms }) => ({
      ...{ hop, count, p50Ms, p99Ms },
    })),
    queues: grown('belfry_queue_wait_seconds', ['role', 'queue']).map(({ key, ...waits }) => {
      const [role = '', queue = ''] = key.split(' ');
      return { role, queue, ...waits };
    }),
  };
}

/** Public ports answer with something else, which has no hops in it; H1. */
async function readText(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
    return await answer.text();
  } catch {
    return '';
  }
}
