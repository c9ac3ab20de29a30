/** The processes of the peer `socket.io-redis` (socket-io-redis.ts): one takes messages in, one holds the sockets. */
import { createServer } from 'node:http';
import type { Server } from 'socket.io';
import { serveLoad } from '../load-server.ts';
import { serveIngress } from './http-ingress.ts';
import { listen } from './listen.ts';
import { redisUrl, type RedisPeer } from './redis-peer.ts';
import { messageEvent } from './socket-io-frames.ts';

serveLoad<RedisPeer>({
  async serveHttp({ redisPort, room, frame }) {
    const io = await startSocketIo(redisPort);
    const port = await serveIngress(frame, async (message) => io.to(room).emit(messageEvent, message));
    return { port };
  },
  async serveSockets({ redisPort, room }) {
    const io = await startSocketIo(redisPort);
    io.on('connection', (socket) => void socket.join(room));
    const server = createServer();
    io.attach(server);
    return { port: await listen(server) };
  },
});

/** Loaded here: an installation without the peers' packages must still run the bench. */
async function startSocketIo(redisPort: number): Promise<Server> {
  const [{ Server }, { createAdapter }, { createClient }] = await Promise.all([
    import('socket.io'),
    import('@socket.io/redis-adapter'),
    import('redis'),
  ]);
  const publisher = createClient({ url: redisUrl(redisPort) });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  return new Server({
    adapter: createAdapter(publisher, subscriber),
    transports: ['websocket'],
    perMessageDeflate: false,
    httpCompression: false,
    serveClient: false,
  });
}
