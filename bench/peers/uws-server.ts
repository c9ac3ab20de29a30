/**
 * The ceiling: one bare uWebSockets.js process that publishes messages of the same bytes, at the same rate and with the
 * same batching, straight from its own timer. No log, no broker, no sessions, no checks.
 *
 * U1  Messages that became due within one window are published in one turn of the loop, as a gateway publishes a batch,
 *     so that uWebSockets.js puts them into one write per socket.
 */
import { limits } from '../../platform/limits.ts';
import { systemClock } from '../../platform/clock.ts';
import { listenOn, loadUws, type TemplatedApp } from '../../transport/uws.ts';
import { serveLoad } from '../load-server.ts';
import { machineClock } from '../machine-clock.ts';
import { makeText } from '../message-text.ts';
import { Schedule } from '../schedule.ts';
import type { PublishWork } from './deployed-side.ts';
import { MessageFrame } from './message-frame.ts';

export type UwsServer = {
  readonly listen: { readonly params: null; readonly result: { readonly port: number } };
  /** The id of a message is its seq too. */
  readonly publish: {
    /** `frame`: a message frame of ours, whose seq is its last field: all but text and seq is kept. */
    readonly params: PublishWork & { readonly frame: string; readonly windowMs: number };
    readonly result: { readonly turns: number };
  };
};

const topic = 'channel';
const loopback = '127.0.0.1';
const machine = machineClock(systemClock);

let app: TemplatedApp | undefined;

serveLoad<UwsServer>({
  async listen() {
    const uws = await loadUws();
    app = uws.App().ws<null>('/*', {
      // As the gateway sets them.
      maxBackpressure: limits.socketBackpressureBytesMax,
      closeOnBackpressureLimit: true,
      idleTimeout: limits.socketIdleTimeoutMs / 1_000,
      open(socket) {
        socket.subscribe(topic);
        socket.send('{"type":"hello"}');
      },
    });
    return { port: (await listenOn(uws, app, loopback, 0)).port };
  },
  publish: ({ frame, firstId, rate, count, bytes, windowMs }) =>
    new Promise((resolve) => {
      const schedule = new Schedule(machine.nowUs(), rate, count);
      const frames = new MessageFrame(frame);
      let turns = 0;
      const timer = systemClock.setInterval(() => {
        const make = (index: number, dueUs: number) => {
          const seq = firstId + index;
          return JSON.stringify(frames.make(seq, makeText(seq, dueUs, bytes)));
        };
        if (publishDue(schedule, make)) turns += 1;
        if (!schedule.done) return;
        timer.cancel();
        resolve({ turns });
      }, windowMs);
    }),
});

/** Everything that is due, in this turn; true if there was something. */
function publishDue(schedule: Schedule, make: (index: number, dueUs: number) => string): boolean {
  const nowUs = machine.nowUs();
  let any = false;
  for (let due = schedule.take(nowUs); due !== undefined; due = schedule.take(nowUs)) {
    app?.publish(topic, make(due.index, due.dueUs));
    any = true;
  }
  return any;
}
