/**
 * How long messages waited in our own queues, on their way from the webapp to the sockets.
 *
 * Q1  A queue counts once for each batch, write or turn that leaves it, with the time for which the oldest message in it was
 *     made to wait: no other was longer, and at light load, where each leaves alone, it is that message's own.
 * Q2  The sum of means is a message's mean wait where each leaves alone. The sum of the queues' p99s is more than 99 of 100
 *     messages wait unless those that wait long in one queue are others than those that do in the next.
 */
import type { Goal, Measurement } from './scenario.ts';

export type QueueWait = {
  readonly role: string;
  readonly queue: string;
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

/** What a message passes on its way, in its order. Other queues of other roles carry other things. */
const journey = [
  ['webapp', 'send'],
  ['worker', 'mailbox'],
  ['worker', 'commit'],
  ['worker', 'append'],
  ['worker', 'send_log'],
  ['worker', 'batch'],
  ['worker', 'send'],
  ['gateway', 'rest'],
] as const;

/** What a message may wait in all of them together while there is nothing to gather. */
export const lightWaitGoal: Goal = { atMost: 1 };

/** Each queue of the journey; nothing where the servers cannot be asked. */
export function queueFigures(subject: string, queues: readonly QueueWait[]): Measurement[] {
  return onJourney(queues).flatMap(({ role, queue, p50Ms, p99Ms }) => [
    { subject, name: `queue ${queue} (${role}), p50`, unit: 'ms', value: p50Ms },
    { subject, name: `queue ${queue} (${role}), p99`, unit: 'ms', value: p99Ms },
  ]);
}

/** All of them together. `goal`: of the p99s. */
export function queueSums(subject: string, queues: readonly QueueWait[], goal?: Goal): Measurement[] {
  const passed = onJourney(queues);
  if (passed.length === 0) return [];
  const sum = (of: (wait: QueueWait) => number) => passed.reduce((total, wait) => total + of(wait), 0);
  const p99s = sum(({ p99Ms }) => p99Ms);
  return [
    { subject, name: 'waits in our queues, sum of means', unit: 'ms', value: sum(({ meanMs }) => meanMs) },
    { subject, name: 'waits in our queues, sum of p99s', unit: 'ms', value: p99s, ...(goal && { goal }) },
  ];
}

function onJourney(queues: readonly QueueWait[]): QueueWait[] {
  return journey.flatMap(([role, queue]) => queues.filter((wait) => wait.role === role && wait.queue === queue));
}
