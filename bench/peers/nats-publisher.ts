/** A load process that publishes to a nats-server on a schedule, what is due at one time in one write. */
import { systemClock } from '../../platform/clock.ts';
import { serveLoad } from '../load-server.ts';
import { machineClock } from '../machine-clock.ts';
import { makeText } from '../message-text.ts';
import { RawSocket } from '../raw-socket.ts';
import { runSchedule, Schedule } from '../schedule.ts';
import type { PublishWork } from './deployed-side.ts';
import { MessageFrame } from './message-frame.ts';
import { NatsReader } from './nats-reader.ts';
import { natsConnect } from './nats-subscriber.ts';

export type NatsPublisher = {
  readonly connect: { readonly params: { readonly url: string; readonly subject: string }; readonly result: null };
  /** The id of a message is its seq too; resolves when the server has taken the last. */
  readonly publish: {
    /** `frame`: a message frame of ours, to copy. */
    readonly params: PublishWork & { readonly frame: string };
    readonly result: null;
  };
};

const machine = machineClock(systemClock);

let socket: RawSocket | undefined;
let head = '';
let pending = '';
let onPong: (() => void) | undefined;

serveLoad<NatsPublisher>({
  async connect({ url, subject }) {
    const reader = new NatsReader({
      onMessage: () => undefined,
      onPing: () => socket?.write('PONG\r\n'),
      onPong: () => onPong?.(),
    });
    head = `PUB ${subject} `;
    socket = new RawSocket(new URL(url), {
      onBytes: (buffer, length) => reader.push(buffer, length),
      onEnd: (reason) => {
        throw new Error(`nats: the publisher's connection ended: ${reason}`);
      },
    });
    socket.write(natsConnect);
    await flush();
    return null;
  },
  async publish({ frame, firstId, rate, count, bytes }) {
    const frames = new MessageFrame(frame);
    await runSchedule(systemClock, machine, new Schedule(machine.nowUs(), rate, count), (index, dueUs) => {
      const seq = firstId + index;
      publish(JSON.stringify(frames.make(seq, makeText(seq, dueUs, bytes))));
    });
    await flush();
    return null;
  },
});

function publish(payload: string): void {
  if (pending === '') process.nextTick(writePending);
  pending += `${head}${Buffer.byteLength(payload)}\r\n${payload}\r\n`;
}

function writePending(): void {
  socket?.write(pending);
  pending = '';
}

/** Resolves with the server's answer to a ping behind all that was written. */
async function flush(): Promise<void> {
  writePending();
  const answered = new Promise<void>((resolve) => (onPong = resolve));
  socket?.write('PING\r\n');
  await answered;
}
