import { describe, expect, it } from 'vitest';
import { GatewayReads, type ReadRequest } from '../../../actors/gateway-reads.ts';
import type { StreamId } from '../../../protocol/ids.ts';

const limits = { resumeReadsPerSessionMax: 2, resumeReadsPerGatewayMax: 3, resumePauseBytes: 100 };
const request = (session: number, name: string): ReadRequest => ({
  session,
  stream: `C0${name}` as StreamId,
  after: 0,
  upTo: 1,
});

function lab() {
  const buffered = new Map<number, number>();
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const reads = new GatewayReads(
    limits,
    (session) => buffered.get(session) ?? 0,
    ({ session, stream }) => {
      started.push(`${session} ${stream.slice(2)}`);
      return new Promise((resolve) => ends.push(resolve));
    },
  );
  const end = async () => {
    ends.shift()?.();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { reads, buffered, started, end };
}

describe('reads of sessions that catch up', () => {
  it('are bounded per session and for the gateway, and sessions take turns', async () => {
    const { reads, started, end } = lab();
    for (const name of ['a', 'b', 'c', 'd']) reads.add(request(1, name));
    reads.add(request(2, 'x'));
    reads.add(request(3, 'y'));
    expect(started).toEqual(['1 a', '1 b', '2 x']);
    await end();
    expect(started.at(-1)).toBe('3 y');
    await end();
    await end();
    await end();
    expect(started).toEqual(['1 a', '1 b', '2 x', '3 y', '1 c', '1 d']);
    expect(reads.inFlight).toBe(2);
  });

  it('wait while much is waiting for the socket, until it drained', () => {
    const { reads, buffered, started } = lab();
    buffered.set(1, 101);
    reads.add(request(1, 'a'));
    expect(started).toEqual([]);
    buffered.set(1, 0);
    reads.resume(1);
    expect(started).toEqual(['1 a']);
  });

  it('are dropped with their session', async () => {
    const { reads, started, end } = lab();
    for (const name of ['a', 'b', 'c']) reads.add(request(1, name));
    reads.forget(1);
    await end();
    await end();
    expect(started).toEqual(['1 a', '1 b']);
    expect(reads.inFlight).toBe(0);
  });
});
