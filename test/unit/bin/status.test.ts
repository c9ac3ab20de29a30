/** What `belfry status` and `belfry tail` print. */
import { describe, expect, it } from 'vitest';
import { statusText } from '../../../bin/status-command.ts';
import { printable, timeOfDay } from '../../../bin/terminal-text.ts';

describe('statusText', () => {
  it('is one table for each kind of node, one line a node', () => {
    const nowMs = 1_700_000_000_000;
    const node = {
      zone: 'a',
      region: 'local',
      pid: 7,
      version: '0.1.0',
      view: 7,
      incarnation: 'x',
      publicUrl: '',
      adminUrl: 'http://h:9',
    };
    const text = statusText(
      {
        ok: true,
        view: 7,
        slots: { total: 4_096, orphaned: 0 },
        workers: [
          { ...node, id: 'w1', state: 'serving', slots: 2_048, weight: 1, startedAt: nowMs - 59_999 },
          { ...node, id: 'worker-10', state: 'silent', slots: 0, weight: 1, startedAt: nowMs - 3 * 86_400_000 },
        ],
        gateways: [
          { ...node, id: 'g1', state: 'serving', load: 3, publicUrl: 'ws://h:1', startedAt: nowMs - 7_300_000 },
        ],
      },
      nowMs,
    );
    expect(text.split('\n')).toEqual([
      'view 7, slots: 4096 total, 0 orphaned',
      '',
      'WORKER     STATE    SLOTS  WEIGHT  ZONE  REGION  PID  VERSION  VIEW  UP   ADMIN',
      'w1         serving  2048   1       a     local   7    0.1.0    7     59s  http://h:9',
      'worker-10  silent   0      1       a     local   7    0.1.0    7     3d   http://h:9',
      '',
      'GATEWAY  STATE    SESSIONS  ZONE  REGION  PID  VERSION  VIEW  UP  ADMIN       URL',
      'g1       serving  3         a     local   7    0.1.0    7     2h  http://h:9  ws://h:1',
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
