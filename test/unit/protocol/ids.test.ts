import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  directChannelId,
  makeIncarnation,
  makePublicChannelId,
  makeUserId,
  parseChannelId,
  parseMutationId,
  parseNodeId,
  parseStreamId,
  parseUserId,
  type NodeId,
  type TeamId,
  type UserId,
} from '../../../protocol/ids.ts';

const entropy = (seed: number) => {
  let state = seed >>> 0;
  return { int: (max: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % max };
};
const user = fc.integer().map((seed) => makeUserId(entropy(seed)));

describe('ids', () => {
  test('what is made parses as its own kind and as no other', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const id = makePublicChannelId(entropy(seed));
        expect(parseChannelId(id)).toBe(id);
        expect(parseStreamId(id)).toBe(id);
        expect(parseUserId(id)).toBeUndefined();
      }),
    );
  });

  test('anything that could break a subject is no id', () => {
    for (const bad of [
      '',
      'C',
      'C1',
      'C123.456',
      'C12*45',
      'C1>345',
      'c12345',
      'C1 345',
      `C${'A'.repeat(40)}`,
      7,
      null,
      {},
    ]) {
      expect(parseStreamId(bad)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        const id = parseStreamId(text);
        if (id !== undefined) expect(id).toMatch(/^[A-Z0-9]+$/);
      }),
    );
  });

  test('a direct conversation has one id for the same people in any order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(user, { minLength: 1, maxLength: 9 }), (users) => {
        const team = 'T0000000001' as TeamId;
        const id = directChannelId(team, users);
        expect(directChannelId(team, [...users].reverse())).toBe(id);
        expect(directChannelId(team, [...users, users[0] as UserId])).toBe(id);
        expect(parseChannelId(id)).toBe(id);
        expect(id.charAt(0)).toBe(users.length <= 2 ? 'D' : 'G');
        expect(directChannelId('T0000000002' as TeamId, users)).not.toBe(id);
      }),
    );
  });

  test('a node name is one token and its incarnations are too', () => {
    expect(parseNodeId('worker-1')).toBe('worker-1');
    for (const bad of ['a.b', 'a b', '*', '', '-x', 'x'.repeat(64)]) expect(parseNodeId(bad)).toBeUndefined();
    expect(makeIncarnation('worker-1' as NodeId, entropy(1))).toMatch(/^worker-1-[A-Z0-9]{10}$/);
  });

  test('a mutation id has a length', () => {
    expect(parseMutationId('x'.repeat(128))).toBeDefined();
    expect(parseMutationId('x'.repeat(129))).toBeUndefined();
    expect(parseMutationId('')).toBeUndefined();
  });
});
