/**
 * TCP ports: finding free ones, and seeing before anything starts whether a wanted one can be had.
 *
 * P1  A port that is found here is not one that systems give to outgoing connections or to listeners that take any (from
 *     32768 up, elsewhere from 49152): somebody's connection must not take it between our look and its use.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { systemRng } from './rng.ts';

const LOOPBACK = '127.0.0.1';
const FIRST_PORT = 20_000;
const END_PORT = 32_000;
/** Where so many in a row are taken, any port will do. */
const ATTEMPTS = 32;

/** True when nobody listens on the port now. Another process may still take it before we do. */
export async function portIsFree(port: number, host = LOOPBACK): Promise<boolean> {
  return (await tryListen(host, port)) !== undefined;
}

/** A port that is free now (P1); undefined when the host has none, or is no address of ours. */
export async function freePort(host = LOOPBACK): Promise<number | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = FIRST_PORT + systemRng.int(END_PORT - FIRST_PORT);
    if (await portIsFree(port, host)) return port;
  }
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
