import { describe, expect, it } from 'vitest';
import { createMemoryLogger, silentLogger } from '../../../platform/logger.ts';

describe('logger', () => {
  it('writes the event, the level, the role, the id and the fields', () => {
    const { logger, lines } = createMemoryLogger();
    logger.child({ slot: 7 }).warn('slot_fenced', { epoch: 3 });
    expect(lines).toMatchObject([{ event: 'slot_fenced', level: 'warn', role: 'test', id: 'test', slot: 7, epoch: 3 }]);
  });

  it('keeps to its level and says whether tracing is worth the fields', () => {
    const { logger, lines } = createMemoryLogger('info');
    logger.trace('post_committed');
    logger.debug('tail_evicted');
    expect([lines.length, logger.traces, createMemoryLogger('trace').logger.traces]).toEqual([0, false, true]);
  });

  it('writes an error with its stack and what caused it', () => {
    const { logger, lines } = createMemoryLogger();
    logger.error('append_failed', { error: new Error('outer', { cause: new Error('inner') }) });
    expect(lines[0]).toMatchObject({ error: { message: expect.stringContaining('outer') } });
    expect(JSON.stringify(lines[0])).toContain('inner');
  });

  it('can be silent', () => {
    silentLogger.fatal('nobody_sees_this');
  });
});
