/** The peers that `--peer` knows. */
import { z } from 'zod';
import type { Peer } from '../peer.ts';
import { natsPeer } from './nats.ts';
import { socketIoRedisPeer } from './socket-io-redis.ts';
import { uwsPeer, wideUwsPeer } from './uws.ts';
import { wsRedisPeer } from './ws-redis.ts';

export const peers: readonly Peer[] = [socketIoRedisPeer, wsRedisPeer, natsPeer, uwsPeer, wideUwsPeer];

const names = peers.map(({ name }) => name);

/** Names with commas between them, or `none`. */
export const peersSchema = z
  .string()
  .default(uwsPeer.name)
  .transform((text) => (text === 'none' ? [] : text.split(',')))
  .refine((wanted) => wanted.every((name) => names.includes(name)), `must be none or of ${names.join(', ')}`);

/** In the order of the list, each once. */
export function peersNamed(wanted: readonly string[]): Peer[] {
  return peers.filter(({ name }) => wanted.includes(name));
}

export const peersDescription = `what else does the same work in the same run: ${peers
  .map(({ name, summary }) => `${name} (${summary})`)
  .join(', ')}; several with commas between them, or none`;
