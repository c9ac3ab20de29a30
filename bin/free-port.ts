/** Ports of loopback: finding free ones, and seeing before anything starts whether a wanted one can be had. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

const loopback = '127.0.0.1';

/** True when nobody listens on the port now. Another process may still take it before we do. */
export async function portIsFree(port: number): Promise<boolean> {
  return (await tryListen(port)) !== undefined;
}

/** `count` different ports that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = await tryListen(0);
    if (port !== undefined) ports.add(port);
  }
  return [...ports];
}

async function tryListen(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen({ host: loopback, port, exclusive: true });
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
