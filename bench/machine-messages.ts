/**
 * What a coordinator and the machines that joined it say to each other over NATS: plain data as compressed JSON.
 *
 * W1  Whoever may publish on these subjects can have load made: use a nats-server of your own for it, with a password.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { LoadAnswer, LoadRequest } from './load-port.ts';

/** From the coordinator. `port` is a load process of the machine, by a number that the coordinator chose. */
export type MachineOrder =
  | { readonly kind: 'open'; readonly port: number; readonly name: string }
  | { readonly kind: 'request'; readonly port: number; readonly request: LoadRequest }
  | { readonly kind: 'stop'; readonly port: number }
  | { readonly kind: 'alive' }
  | { readonly kind: 'end' };

/** From a machine. */
export type MachineNews =
  | { readonly kind: 'here' }
  | { readonly kind: 'answer'; readonly port: number; readonly answer: LoadAnswer }
  | { readonly kind: 'ended'; readonly port: number; readonly why: string };

const root = 'belfry_bench';

export const machineSubjects = {
  orders: (machine: string) => `${root}.orders.${machine}`,
  /** Answered with the machine's clock, in microseconds. */
  clock: (machine: string) => `${root}.clock.${machine}`,
  news: (machine: string) => `${root}.news.${machine}`,
  allNews: `${root}.news.*`,
  machineOf: (subject: string) => subject.slice(subject.lastIndexOf('.') + 1),
};

/** `nats://user:password@host:port`; the part before the @ may be left out. */
export function connectMachines(url: string): Promise<NatsConnection> {
  const { host, username, password } = new URL(url);
  const login = username === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
  return connect({ servers: host, name: 'belfry bench', ...login });
}

/** @throws Error for more than the server takes in one message. */
export function sendMachine(nats: NatsConnection, subject: string, message: MachineOrder | MachineNews): void {
  const bytes = deflateRawSync(JSON.stringify(message));
  const most = nats.info?.max_payload ?? Infinity;
  if (bytes.length > most)
    throw new Error(`${bytes.length} bytes for one load process, NATS takes ${most}: more --load-procs`);
  nats.publish(subject, bytes);
}

export function readMachine(data: Uint8Array): unknown {
  return JSON.parse(inflateRawSync(data).toString());
}
