/** The processes of the peer `ws-redis` (ws-redis.ts): one takes messages in, one holds the sockets. */
import type { RedisClientType } from 'redis';
import { WebSocketServer, type WebSocket } from 'ws';
import { createServer } from 'node:http';
import { serveLoad } from '../load-server.ts';
import { serveIngress } from './http-ingress.ts';
import { listen } from './listen.ts';
import { redisUrl, type RedisPeer } from './redis-peer.ts';

serveLoad<RedisPeer>({
  async serveHttp({ redisPort, room, frame }) {
    const redis = await connectRedis(redisPort);
    return { port: await serveIngress(frame, (message) => redis.publish(room, JSON.stringify(message))) };
  },
  async serveSockets({ redisPort, room }) {
    const members = new Set<WebSocket>();
    const redis = await connectRedis(redisPort);
    await redis.subscribe(room, (message) => sendToAll(members, message), true);
    const server = createServer();
    new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket) => {
      members.add(socket);
      socket.on('close', () => members.delete(socket));
      socket.send('{"type":"hello"}');
    });
    return { port: await listen(server) };
  },
});

function sendToAll(members: ReadonlySet<WebSocket>, message: Buffer): void {
  for (const socket of members) {
    if (socket.readyState === socket.OPEN) socket.send(message, { binary: false });
  }
}

/** Loaded here: an installation without the peers' packages must still run the bench. */
async function connectRedis(port: number): Promise<RedisClientType> {
  const { createClient } = await import('redis');
  const client: RedisClientType = createClient({ url: redisUrl(port) });
  await client.connect();
  return client;
}
