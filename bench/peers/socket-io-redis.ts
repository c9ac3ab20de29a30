/**
 * `--peer socket.io-redis`: Socket.IO with the Redis adapter of its documentation, in two processes with redis-server
 * between them, as people run it. `http` takes each message in over HTTP and emits it to the room; the adapter publishes
 * it; `sockets`, which holds the members' sockets, gets it from `redis` and writes it to each of them.
 *
 * Tuned as its documentation says: WebSocket only (no long polling to begin with), no compression, no client files
 * served. Its engine is `ws`, as it comes; it frames each event once for all sockets.
 */
import { redisPeer } from './redis-deployment.ts';
import { socketIoPath } from './socket-io-frames.ts';

export const socketIoRedisPeer = redisPeer({
  name: 'socket.io-redis',
  summary: 'Socket.IO with its Redis adapter',
  server: './peers/socket-io-server',
  packages: ['socket.io', '@socket.io/redis-adapter', 'redis'],
  wire: 'socket.io',
  path: socketIoPath,
  notes: [
    'is http -> redis -> sockets, all three counted; WebSocket only, no compression; every message is written at once; it stores nothing',
  ],
});
