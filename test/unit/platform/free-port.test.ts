/** Ports that are found free stay so until they are used, as far as that can be had. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePort, freePorts, portIsFree } from '../../../platform/free-port.ts';

describe('a free port', () => {
  it('is none that outgoing connections get: one of those took the port of a nats-server before it listened', async () => {
    const ports = await freePorts(50);
    expect(new Set(ports).size).toBe(50);
    expect(ports.filter((port) => port >= 32_768 || port < 1_024)).toEqual([]);
  });

  it('is one that nobody listens on', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await portIsFree(port)).toBe(false);
    server.close();
    await once(server, 'close');
    expect(await portIsFree(port)).toBe(true);
  });

  it('cannot be had at an address that is not ours', async () => {
    expect(await freePort('192.0.2.1')).toBeUndefined();
  });
});
