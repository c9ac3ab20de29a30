/**
 * `--peer ws-redis`: what people write themselves with `ws` and redis, in two processes with redis-server between them.
 * `http` takes each message in over HTTP and publishes its JSON on the room's channel; `sockets`, which holds the members'
 * sockets, subscribes to the channel and sends what comes from `redis` to every open socket of the room.
 *
 * Tuned: no compression; what redis delivers is handed to the sockets as bytes, never decoded.
 */
import { redisPeer } from './redis-deployment.ts';

export const wsRedisPeer = redisPeer({
  name: 'ws-redis',
  summary: 'ws and redis, as people write it themselves',
  server: './peers/ws-server',
  packages: ['ws', 'redis'],
  wire: 'plain',
  path: '/',
  notes: [
    'is http -> redis -> sockets, all three counted; no compression; every message is written at once; it stores nothing',
  ],
});
