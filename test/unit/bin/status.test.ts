/** What `belfry status` and `belfry tail` print. */
import { describe, expect, it } from 'vitest';
import { statusText } from '../../../bin/status-command.ts';
import { printable, timeOfDay } from '../../../bin/terminal-text.ts';

describe('statusText', () => {
  it('is one table for each kind of node, and leaves out what does not fit a cell', () => {
    const text = statusText({
      ok: true,
      view: 7,
      slots: { total: 4_096, unowned: 0 },
      workers: [
        { id: 'w1', incarnation: 'w1-X', slots: 2_048, state: 'serving', detail: { a: 1 } },
        { id: 'worker-10', incarnation: 'w2-X', slots: 2_048, state: 'paused' },
      ],
      gateways: [{ id: 'g1', sessions: 3 }],
    });
    expect(text.split('\n')).toEqual([
      'view 7, slots total 4096, slots unowned 0',
      '',
      'WORKER     SLOTS  STATE',
      'w1         2048   serving',
      'worker-10  2048   paused',
      '',
      'GATEWAY  SESSIONS',
      'g1       3',
      '',
    ]);
  });
});

describe('what others wrote', () => {
  it('is printed on one line, without what moves the cursor', () => {
    expect(printable('a\nb\tc \u001b[2J\u0007\u009b31m')).toBe('a\\nb\tc \ufffd[2J\ufffd\ufffd31m');
  });

  it('has its local time of day', () => {
    const local = new Date(1_700_000_000_000);
    const expected = [local.getHours(), local.getMinutes(), local.getSeconds()].map((part) =>
      String(part).padStart(2, '0'),
    );
    expect(timeOfDay('1700000000.000100')).toBe(expected.join(':'));
  });
});
