/** What the users of a workspace do, and per kind of action how often it was due, was done, and how late. */
import { LatencyHistogram } from './histogram.ts';

export const actionNames = ['post', 'typing', 'presence', 'join', 'leave', 'history', 'reconnect'] as const;
export type ActionName = (typeof actionNames)[number];

export type ActionReport = {
  readonly due: number;
  /** What was due and nobody could do; not among `due`. */
  readonly passedOver: number;
  /** Answers; of typing, sockets that saw it. */
  readonly done: number;
  /** From when it was due, encoded. */
  readonly latency: string;
};
export type ActionReports = Readonly<Record<ActionName, ActionReport>>;

type Meter = { due: number; passedOver: number; readonly latency: LatencyHistogram };

export class ActionMeter {
  readonly #meters = perAction((): Meter => ({ due: 0, passedOver: 0, latency: new LatencyHistogram() }));

  due(name: ActionName): void {
    this.#meters[name].due += 1;
  }

  passOver(name: ActionName): void {
    this.#meters[name].passedOver += 1;
  }

  done(name: ActionName, latencyUs: number): void {
    this.#meters[name].latency.record(latencyUs);
  }

  report(): ActionReports {
    return perAction((name) => {
      const { due, passedOver, latency } = this.#meters[name];
      return { due, passedOver, done: latency.count, latency: latency.encode() };
    });
  }
}

export function perAction<T>(make: (name: ActionName) => T): Record<ActionName, T> {
  return Object.fromEntries(actionNames.map((name) => [name, make(name)])) as Record<ActionName, T>;
}

/** Of all load processes together. */
export function sumActions(all: readonly ActionReports[]): ActionReports {
  return perAction((name) => {
    const reports = all.map((one) => one[name]);
    return {
      due: reports.reduce((sum, { due }) => sum + due, 0),
      passedOver: reports.reduce((sum, { passedOver }) => sum + passedOver, 0),
      done: reports.reduce((sum, { done }) => sum + done, 0),
      latency: LatencyHistogram.merged(reports.map(({ latency }) => latency)).encode(),
    };
  });
}
