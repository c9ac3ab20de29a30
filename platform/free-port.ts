/** TCP ports: finding free ones, and seeing before anything starts whether a wanted one can be had. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

const LOOPBACK = '127.0.0.1';

/** True when nobody listens on the port now. Another process may still take it before we do. */
export async function portIsFree(port: number, host = LOOPBACK): Promise<boolean> {
  return (await tryListen(host, port)) !== undefined;
}

/** A port that is free now; undefined when the host has none, or is no address of ours. */
export function freePort(host = LOOPBACK): Promise<number | undefined> {
  return tryListen(host, 0);
}

/** `count` different ports of loopback that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = await freePort();
    if (port !== undefined) ports.add(port);
  }
  return [...ports];
}

async function tryListen(host: string, port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
