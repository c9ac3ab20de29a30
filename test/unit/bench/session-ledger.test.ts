/** What a session may get on its streams, over joins, leaves and reconnects, and what counts as lost. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SessionLedger } from '../../../bench/session-ledger.ts';

const stream = 'C1';

describe('SessionLedger', () => {
  it('goes on from hello on a stream that it did not know', () => {
    const ledger = greeted({ [stream]: 7 });
    take(ledger, 8, 9);
    expect(ledger.failure).toBeUndefined();
    expect(ledger.placeOn(stream)).toBe(9);
  });

  it.each([
    ['a hole', [8, 10]],
    ['a double', [8, 8]],
    ['a step back', [8, 9, 8]],
    ['something from before it came', [7]],
  ])('calls %s a failure', (_, seqs) => {
    const ledger = greeted({ [stream]: 7 });
    take(ledger, ...seqs);
    expect(ledger.failure).toContain('was next');
  });

  it('keeps its place over a reconnect, whatever hello says', () => {
    const ledger = greeted({ [stream]: 7 });
    take(ledger, 8);
    ledger.greet({ [stream]: 12 });
    expect(ledger.cursors()).toEqual({ [stream]: 8 });
    take(ledger, 9, 10, 11, 12, 13);
    expect(ledger.failure).toBeUndefined();
  });

  it('misses what a reconnect left out', () => {
    const ledger = greeted({ [stream]: 7 });
    ledger.greet({ [stream]: 12 });
    take(ledger, 13);
    expect(ledger.failure).toContain('got seq 13 of C1 where 8 was next');
  });

  it('counts a join from its place in the stream', () => {
    const ledger = new SessionLedger();
    ledger.take({ stream, seq: 41, own: 'join' });
    take(ledger, 42);
    expect(ledger.failure).toBeUndefined();
    take(ledger, 44);
    expect(ledger.failure).toContain('43 was next');
  });

  it('wants its own join, or the first event, before anything else', () => {
    const early = new SessionLedger();
    take(early, 41);
    expect(early.failure).toContain('has not joined');
    const created = new SessionLedger();
    take(created, 1, 2);
    expect(created.failure).toBeUndefined();
  });

  it('gets nothing after its own leave but a later join of its own', () => {
    const ledger = greeted({ [stream]: 7 });
    ledger.take({ stream, seq: 8, own: 'leave' });
    expect(ledger.following()).toEqual([]);
    ledger.take({ stream, seq: 15, own: 'join' });
    expect(ledger.failure).toBeUndefined();
    ledger.take({ stream, seq: 16, own: 'leave' });
    take(ledger, 17);
    expect(ledger.failure).toContain('which it left at 16');
  });

  it('names what it left when it resumes, and does not follow it again because hello does', () => {
    const ledger = greeted({ [stream]: 7 });
    ledger.take({ stream, seq: 8, own: 'leave' });
    ledger.greet({ [stream]: 7 });
    expect(ledger.cursors()).toEqual({ [stream]: 8 });
    expect(ledger.placeOn(stream)).toBeUndefined();
  });

  it('says at the end where it does not stand at the tail', () => {
    const ledger = greeted({ [stream]: 7, C2: 1 });
    expect(ledger.missing({ [stream]: 7, C3: 4 })).toBeUndefined();
    expect(ledger.missing({ [stream]: 8 })).toContain('stands at 7 of C1 where 8 was the tail');
  });

  it('accepts every history of joins, leaves and reconnects, and none with one event less or twice', () => {
    fc.assert(
      fc.property(history, fc.nat(), fc.boolean(), (steps, at, twice) => {
        expect(play(steps).failure).toBeUndefined();
        const seen = steps.flatMap((step, index) => (step === 'message' ? [index] : []));
        const last = seen.at(-1);
        const broken = seen[at % Math.max(1, seen.length)];
        // The loss of the last event shows at the end only (missing).
        if (broken === undefined || (broken === last && !twice)) return;
        expect(play(steps, { at: broken, times: twice ? 2 : 0 }).failure).toBeDefined();
      }),
    );
  });
});

type Step = 'message' | 'reconnect' | 'rejoin';
const history = fc.array(fc.constantFrom<Step>('message', 'reconnect', 'rejoin'), { maxLength: 30 }).map((steps) => {
  // One message at the end, after which nothing hides a loss.
  return [...steps, 'message', 'message'] as Step[];
});

/** A stream with one session in it; `fault`: the message of that step comes so often. */
function play(steps: readonly Step[], fault?: { at: number; times: number }): SessionLedger {
  const ledger = greeted({ [stream]: 0 });
  let seq = 0;
  for (const [at, step] of steps.entries()) {
    if (step === 'reconnect') ledger.greet({ [stream]: seq });
    else if (step === 'message') {
      seq += 1;
      for (let copy = 0; copy < (fault?.at === at ? fault.times : 1); copy += 1) take(ledger, seq);
    } else {
      ledger.take({ stream, seq: (seq += 1), own: 'leave' });
      // Others go on meanwhile.
      ledger.take({ stream, seq: (seq += 5), own: 'join' });
    }
  }
  return ledger;
}

function greeted(cursors: Readonly<Record<string, number>>): SessionLedger {
  const ledger = new SessionLedger();
  ledger.greet(cursors);
  return ledger;
}

function take(ledger: SessionLedger, ...seqs: readonly number[]): void {
  for (const seq of seqs) ledger.take({ stream, seq });
}
