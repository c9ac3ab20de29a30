/**
 * Metrics of one process: a prom-client registry, a latency histogram per hop of a message's journey, and one per queue
 * in which messages wait for others on purpose.
 *
 * M1  Observing a hop or a wait costs a few additions (duration-histogram.ts).
 * M2  Names start with `belfry_`, units are last (`_seconds`, `_bytes`, `_total`); labels have few values, never ids
 *     of channels or users.
 * M3  A registry belongs to one Metrics object, so that several may live in one process (tests, `belfry dev`).
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Metric } from 'prom-client';
import { DurationHistogram, type DurationTimer } from './duration-histogram.ts';

/** ingress: HTTP request to command; route: command to reply; append: CAS append; fanout: append to batch; socket: a batch's way to its sockets' buffers. */
export const hops = ['ingress', 'route', 'append', 'fanout', 'socket'] as const;
export type Hop = (typeof hops)[number];

/**
 * mailbox: behind the actor's activation or the turn before; commit: the channel's window; append: a place among the
 * worker's appends; send_log and send: a connection's write, of appends and of all else that is about messages; batch: the
 * gateways' batches; rest: the gateway's rest.
 */
export const queues = ['mailbox', 'commit', 'append', 'send_log', 'batch', 'send', 'rest'] as const;
export type Queue = (typeof queues)[number];

const hopDurations = {
  name: 'belfry_hop_duration_seconds',
  help: 'Time that messages spent in one hop of their journey, in seconds.',
  label: 'hop',
  values: hops,
  bucketSeconds: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
} as const;

const queueWaits = {
  name: 'belfry_queue_wait_seconds',
  help: 'How long the oldest of what left a queue together was made to wait there, in seconds.',
  label: 'queue',
  values: queues,
  bucketSeconds: [
    0, 0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 1,
  ],
} as const;

export type MetricsOptions = {
  role: string;
  id: string;
  /** Absent: true. CPU, memory, event loop lag, file descriptors and garbage collection of the process. */
  processMetrics?: boolean;
};

export type Metrics = {
  readonly registry: Registry;
  readonly hops: Readonly<Record<Hop, DurationTimer>>;
  /**
   * One observation for each batch, write or turn that leaves the queue: how long its oldest message was made to wait. 0 for
   * what leaves in the turn of the event loop in which it came: the rest of that turn is work, and part of the hops.
   */
  readonly queues: Readonly<Record<Queue, DurationTimer>>;
  counter(name: string, help: string, labels?: readonly string[]): Counter;
  gauge(name: string, help: string, labels?: readonly string[]): Gauge;
  /** A gauge that is read when somebody scrapes: for sizes that are known anyway. */
  gaugeOf(name: string, help: string, read: () => number): void;
  /** A counter that is kept as a plain number by its owner and read when somebody scrapes. */
  counterOf(name: string, help: string, read: () => number): void;
  /** The Prometheus text, and its content type. */
  expose(): Promise<{ contentType: string; body: string }>;
};

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ role: options.role, node: options.id });
  if (options.processMetrics !== false) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const hopHistogram = new DurationHistogram<Hop>(hopDurations);
  const queueHistogram = new DurationHistogram<Queue>(queueWaits);
  // A registry asks a metric for `name`, `get` and `reset` only; its type asks for the whole class.
  for (const histogram of [hopHistogram, queueHistogram]) registry.registerMetric(histogram as unknown as Metric);
  return {
    registry,
    hops: hopHistogram.timers,
    queues: queueHistogram.timers,
    counter: (name, help, labels = []) => new Counter({ name, help, labelNames: [...labels], registers }),
    gauge: (name, help, labels = []) => new Gauge({ name, help, labelNames: [...labels], registers }),
    gaugeOf(name, help, read) {
      const gauge: Gauge = new Gauge({
        name,
        help,
        registers,
        collect() {
          gauge.set(read());
        },
      });
    },
    counterOf(name, help, read) {
      const counter: Counter = new Counter({
        name,
        help,
        registers,
        collect() {
          counter.reset();
          counter.inc(Math.max(0, read()));
        },
      });
    },
    async expose() {
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}
