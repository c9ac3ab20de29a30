/** When a run of fan-out is over, and what was wrong with what arrived. */
import { limits } from '../platform/limits.ts';
import type { DeliveryReport } from './delivery-counter.ts';
import type { FanoutSockets } from './fanout-sockets.ts';
import type { LoadGroup } from './load-group.ts';
import type { RunContext } from './scenario.ts';

export type Delivered = {
  /** Messages a second that were offered. */
  readonly rate: number;
  readonly reports: readonly DeliveryReport[];
  readonly failures: readonly string[];
};

const pollMs = 20;

/** Waits until every socket has seen `seq`; what is wrong if that takes too long. */
export async function settle(
  { clock, signal }: RunContext,
  sockets: LoadGroup<FanoutSockets>,
  seq: number,
  expected: number,
): Promise<string[]> {
  const deadlineMs = clock.monotonicMs() + limits.benchSettleMs;
  for (;;) {
    const reached = (await sockets.callAll('reached', { seq })).reduce((sum, count) => sum + count, 0);
    if (reached === expected) return [];
    if (clock.monotonicMs() > deadlineMs) return [`${expected - reached} sockets never got the last message`];
    if (!(await clock.sleep(pollMs, signal))) throw new Error('interrupted');
  }
}

/** What is wrong with what arrived: messages first … first + count - 1, each once on each socket. */
export function checkDelivery(
  reports: readonly DeliveryReport[],
  sockets: number,
  firstId: number,
  count: number,
): string[] {
  const failures = reports.flatMap((report) => report.failures);
  const deliveries = reports.reduce((sum, report) => sum + report.deliveries, 0);
  if (deliveries !== sockets * count) failures.push(`${deliveries} deliveries where ${sockets * count} were due`);
  for (const { ids } of reports) {
    const wanted = new Set(Array.from({ length: count }, (_, at) => firstId + at));
    const doubled = ids.filter((id) => !wanted.delete(id)).length;
    if (doubled > 0) failures.push(`${doubled} messages came twice or were never posted`);
    if (wanted.size > 0) failures.push(`${wanted.size} acknowledged messages never came`);
  }
  return failures;
}
