import { describe, expect, test } from 'vitest';
import { FrameSlices } from '../../../actors/frame-slices.ts';

const limits = { frameSliceMs: 10, frameBacklogBytesMax: 20 };

/** Each frame takes 4 ms to handle. */
function lab() {
  const handled: string[] = [];
  const turns: (() => void)[] = [];
  let nowMs = 0;
  const slices = new FrameSlices({
    clock: { monotonicMs: () => nowMs, defer: (run) => turns.push(run) },
    limits,
    handle: (session, bytes) => {
      nowMs += 4;
      handled.push(`${session} ${Buffer.from(bytes).toString()}`);
    },
  });
  const take = (session: number, text: string) => {
    const bytes = Buffer.from(text);
    slices.take(session, bytes);
    // As a socket's buffer, which is used again.
    bytes.fill(0);
  };
  const turn = () => turns.splice(0).forEach((run) => run());
  return { slices, handled, take, turn, turns };
}

describe("clients' frames", () => {
  test('are handled at once while the turn has time, and go on in the next one, in order', () => {
    const { handled, take, turn, turns, slices } = lab();
    for (let n = 1; n <= 5; n += 1) take(n, `f${n}`);
    expect(handled).toEqual(['1 f1', '2 f2', '3 f3']);
    turn();
    expect(handled).toEqual(['1 f1', '2 f2', '3 f3', '4 f4', '5 f5']);
    expect(slices.waitingBytes).toBe(0);
    turn();
    expect(turns).toEqual([]);
  });

  test('that come while others wait go behind them', () => {
    const { handled, take, turn } = lab();
    for (let n = 1; n <= 4; n += 1) take(n, 'a');
    take(1, 'b');
    turn();
    expect(handled).toEqual(['1 a', '2 a', '3 a', '4 a', '1 b']);
  });

  test('are handled at once again when too many bytes wait', () => {
    const { handled, take, slices } = lab();
    for (let n = 1; n <= 10; n += 1) take(n, 'x'.repeat(8));
    expect(slices.waitingBytes).toBeLessThanOrEqual(limits.frameBacklogBytesMax);
    expect(handled.map((one) => one.split(' ')[0])).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
  });
});
