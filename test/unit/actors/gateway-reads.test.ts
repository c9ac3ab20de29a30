import { describe, expect, it } from 'vitest';
import type { Page } from '../../../actors/gateway-messages.ts';
import { GatewayReads, type ReadRequest } from '../../../actors/gateway-reads.ts';
import type { StreamId, TeamId } from '../../../protocol/ids.ts';

const limits = { resumeReadsPerSessionMax: 2, resumePauseBytes: 100, resumeSliceMs: 5 };
const pageOf = (bytes: number): Page => ({
  kind: 'page',
  events: [{ seq: 1, frame: Buffer.alloc(bytes), posted: undefined }],
  gone: false,
});
const request = (session: number, name: string): ReadRequest => ({
  session,
  stream: `C0${name}` as StreamId,
  after: 0,
  upTo: 1,
  team: 'T0TEAM' as TeamId,
});
const nameOf = ({ session, stream }: ReadRequest) => `${session} ${stream.slice(2)}`;

/** Each handing out takes `costMs`; pages are of `pageBytes`. */
function lab(costMs = 0, pageBytes = 0) {
  const buffered = new Map<number, number>();
  const started: string[] = [];
  const delivered: string[] = [];
  const ends: (() => void)[] = [];
  const turns: (() => void)[] = [];
  let nowMs = 0;
  const reads = new GatewayReads({
    clock: { monotonicMs: () => nowMs, defer: (run) => turns.push(run) },
    limits,
    bufferedBytes: (session) => buffered.get(session) ?? 0,
    start: (one) => {
      started.push(nameOf(one));
      return new Promise((resolve) => ends.push(() => resolve(pageOf(pageBytes))));
    },
    deliver: (_session, arrived) => {
      nowMs += costMs;
      delivered.push(arrived.map(({ request: one }) => nameOf(one)).join(', '));
    },
  });
  /** The read that was started first is answered. */
  const answer = async () => {
    ends.shift()?.();
    await Promise.resolve();
  };
  const turn = () => turns.shift()?.();
  return { reads, buffered, started, delivered, answer, turn, turns };
}

describe('reads of sessions that catch up', () => {
  it('are bounded per session, and each page that was handed out makes room for the next', async () => {
    const { reads, started, delivered, answer, turn } = lab();
    for (const name of ['a', 'b', 'c', 'd']) reads.add(request(1, name));
    reads.add(request(2, 'x'));
    expect(started).toEqual(['1 a', '1 b', '2 x']);
    await answer();
    expect(delivered).toEqual([]);
    turn();
    expect(delivered).toEqual(['1 a']);
    expect(started).toEqual(['1 a', '1 b', '2 x', '1 c']);
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

  it('are made again when the socket filled up meanwhile: no page is kept for a slow client', async () => {
    const { reads, buffered, started, delivered, answer, turn } = lab();
    reads.add(request(1, 'a'));
    buffered.set(1, 101);
    await answer();
    turn();
    expect(delivered).toEqual([]);
    buffered.set(1, 0);
    reads.resume(1);
    expect(started).toEqual(['1 a', '1 a']);
    await answer();
    turn();
    expect(delivered).toEqual(['1 a']);
  });

  it('that came for one session are handed out together, up to what its socket may hold', async () => {
    const { reads, delivered, answer, turn } = lab(0, 60);
    for (const name of ['a', 'b', 'c', 'd']) reads.add(request(1, name));
    await answer();
    await answer();
    turn();
    expect(delivered).toEqual(['1 a, 1 b']);
    const large = lab(0, 100);
    for (const name of ['a', 'b']) large.reads.add(request(1, name));
    await large.answer();
    await large.answer();
    large.turn();
    expect(large.delivered).toEqual(['1 a', '1 b']);
  });

  it('are handed out in portions that let other work in between', async () => {
    const { reads, delivered, answer, turn, turns } = lab(3);
    for (let session = 1; session <= 5; session += 1) reads.add(request(session, 'a'));
    for (let session = 1; session <= 5; session += 1) await answer();
    turn();
    expect(delivered).toEqual(['1 a', '2 a']);
    turn();
    expect(delivered).toEqual(['1 a', '2 a', '3 a', '4 a']);
    turn();
    expect(delivered).toHaveLength(5);
    expect(turns).toEqual([]);
  });

  it('are dropped with their session', async () => {
    const { reads, started, delivered, answer, turn } = lab();
    for (const name of ['a', 'b', 'c']) reads.add(request(1, name));
    reads.forget(1);
    await answer();
    await answer();
    turn();
    expect(started).toEqual(['1 a', '1 b']);
    expect(delivered).toEqual([]);
  });
});
