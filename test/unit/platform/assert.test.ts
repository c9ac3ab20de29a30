import { describe, expect, it } from 'vitest';
import { assert, AssertionError, defined, unreachable } from '../../../platform/assert.ts';

describe('assert', () => {
  it('names the boundary and the ids of what broke', () => {
    const broken = (): void => assert(false, 'append-log/one-in-flight', { channel: 'C1', seq: 3 });
    expect(broken).toThrow(AssertionError);
    expect(broken).toThrow('append-log/one-in-flight (channel=C1 seq=3)');
  });

  it('lets through what holds', () => {
    assert('text', 'never');
    expect(defined(0, 'never')).toBe(0);
  });

  it('refuses a value that is not there', () => {
    expect(() => defined(undefined, 'table/owner', { slot: 7 })).toThrow('table/owner (slot=7)');
    expect(() => defined(null, 'table/owner')).toThrow(AssertionError);
  });

  it('names the kind that a switch did not expect', () => {
    expect(() => unreachable({ kind: 'later' } as never, 'phase')).toThrow('phase (value=later)');
  });
});
